"""What dev said on the way of each training of ASI and its family, and which step was kept."""

from pathlib import Path

from jointir.report.figure_training import figure_training
from jointir.report.known import report


@report(
    stage="asi_report",
    figure="asi",
    category="Generative retrieval",
    reads={"curve": "training curves of ASI", "name": "names of training curves of ASI"},
)
def asi_figure_training(curve: list[Path], name: list[str], out: Path, png: Path) -> None:
    """Draw what was measured on dev in each training as a PDF (`out`) and a PNG.

    curve: of each joint training and of each training of a decoder. name: as for `figure-training`.

    Raises:
        InputError: the lists are not equally long, or a file has other columns.
    """
    figure_training(curve, name, out, png)
