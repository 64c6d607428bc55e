"""The ladder: how time, memory and building grow with the number of documents."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.readers import read_csv
from jointir.measure.scaling import COLUMNS, slopes
from jointir.report.known import report
from jointir.report.styles import EXACT, RC, label, save, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "median_ms": "ms a query, one thread",
    "index_mb": "resident memory, MB",
    "build_s": "seconds to train and add",
}


def read_scale(path: Path) -> pd.DataFrame:
    """Read scaling.csv's rows of one thread, with build_s.

    Raises:
        InputError: a column is missing, or nothing was timed on one thread.
    """
    frame = read_csv(path)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(path, f"no column {missing[0]!r}", "Rerun the scaling stage")
    frame = frame[frame["threads"].eq(1)]
    if frame.empty:
        raise InputError(path, "no row of one thread", "Rerun the scaling stage")
    return frame.assign(build_s=frame["train_s"] + frame["add_s"])


def draw(ax: "Axes", rows: pd.DataFrame, column: str, exponents: dict[tuple, float]) -> None:
    """Draw one panel: a line for each system and dimension, lighter where it is not the widest."""
    widest, looks = rows["dim"].max(), styles(rows["system"])
    for (system, dim), own in rows.groupby(["system", "dim"], sort=False):
        own = own.sort_values("n_docs")
        look = looks[system] | {"linewidth": 1.4 if dim == widest else 0.7}
        b = exponents.get((system, dim))
        slope = f", b = {b:.2f}" if column == "median_ms" and b is not None else ""
        name = EXACT if system == "brute-force" else label(system)
        told, alpha = f"{name}, D = {dim}{slope}", 1 if dim == widest else 0.45
        ax.plot(own["n_docs"], own[column].clip(lower=1e-3), label=told, alpha=alpha, **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylabel(PANELS[column])
    ax.set_xlabel("documents N")


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the rows of `read_scale`."""
    from matplotlib.figure import Figure

    fitted = slopes(rows)
    keys = zip(fitted["system"], fitted["dim"], strict=True)
    exponents = dict(zip(keys, fitted["b"], strict=True))
    fig = Figure(figsize=(7.0, 3.3))
    for ax, column in zip(fig.subplots(1, len(PANELS)), PANELS, strict=True):
        draw(ax, rows, column, exponents)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=2, handlelength=3)
    return fig


@report(stage="scaling", category="Effectiveness and speed", reads={"table": "scaling"})
def figure_scaling(table: Path, out: Path, png: Path) -> None:
    """Draw the ladder as a PDF (`out`) and a PNG; b is the fitted exponent of ms = a N^b.

    Raises:
        InputError: the table has other columns, or nothing on one thread.
    """
    import matplotlib

    with matplotlib.rc_context(fname=RC):
        save(render(read_scale(table)), out, png)
