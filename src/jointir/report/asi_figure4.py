"""Figure 4 of ASI++ (Liu et al. 2024), which is a table: the semantic indexing modules."""

from pathlib import Path

from jointir.measure.asi_results import CORRECT
from jointir.report.asi_tables import HYBRID, MEASURES, WIDER, read_asi
from jointir.report.formats import Page, write_lines
from jointir.report.known import report
from jointir.report.styles import label

WANTED = ("asi++", "asi++-pq", "asi++-rq")


@report(
    stage="asi_report",
    figure="asi",
    reads={"results": "results of ASI", "numbers": "numbers of ASI"},
    writes={"out": "reports/asi_figure4.md"},
)
def asi_figure4(results: Path, numbers: Path, out: Path) -> None:
    """Write ASI++ with each of the three semantic indexing modules.

    results, numbers: files of `asi-results`.

    Raises:
        InputError: what `read_asi` refuses.
    """
    measured = read_asi(results, numbers)
    shown = [s for s in WANTED if s in set(measured.rows["system"])]
    modules = {s: label(s).replace("ASI++ with ", "").replace("ASI++", "MLP") for s in shown}
    body = [
        [modules[system], _told(setting), *measured.cells(system, setting)]
        for system in shown
        for setting in measured.settings(system)
    ]
    lines = Page("# Semantic indexing modules", ["module", "decoding", *MEASURES], body).lines(2)
    write_lines([*lines, measured.note(), "", WIDER], out)


def _told(setting: str) -> str:
    alone = setting == HYBRID or setting.endswith(CORRECT)
    return setting if alone else f"{setting}, expectation"
