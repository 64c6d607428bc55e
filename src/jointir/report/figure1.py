"""Figure 1: effectiveness against the size of the index, for every family of retrievers.

Source: Zhan et al., JPQ (CIKM 2021), figure 1, and figure 6 for a second collection.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.errors import InputError
from jointir.measure.results import read_meta
from jointir.report.styles import MARKERS, RC, STYLES, panel_figure, save, styles
from jointir.report.tables import final_rows, human

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, LEGEND_HEIGHT = 2.7, 0.6  # inches
KEY = ["dataset", "system", "setting"]
DENSE, LATE, WORDS = "#555555", "#6A3D9A", "#009E73"  # brute force, late interaction, bag of words
POINTS = {
    "brute-force": (DENSE, "o"),
    "rand-neg": (DENSE, "v"),
    "bm25-neg": (DENSE, "^"),
    "ance": (DENSE, "D"),
    "tct-colbert": (DENSE, "s"),
    "adore": (DENSE, "*"),
    "colbert": (LATE, "P"),
    "bm25": (WORDS, "X"),
}
# here two of several that are searched by brute force
STAR = {"brute-force": "STAR", "adore": "ADORE+STAR"}


def sized(results: Path, meta: list[Path]) -> pd.DataFrame:
    """Return the test rows of `results` with the size of the whole index, `mb`, in megabytes.

    meta: the JSON files of the systems in `results`.

    Raises:
        InputError: a system of `results` has no meta file.
    """
    found = [read_meta(path) for path in meta]
    sizes = {tuple(m[key] for key in KEY): sum(m["bytes"].values()) / 1e6 for m in found}
    rows = final_rows(results)
    keys = list(rows[KEY].itertuples(index=False, name=None))
    missing = [key for key in keys if key not in sizes]
    if missing:
        raise InputError(results, f"{missing[0]} has no meta file", "Name it with --meta")
    return rows.assign(mb=[sizes[key] for key in keys])


def points(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return colour and marker of the systems that are a point, those of POINTS first.

    Others are a point where they have one setting and no line's style.
    """
    given = rows["system"].value_counts(sort=False)
    others = [s for s, n in given.items() if n == 1 and s not in {*POINTS, *STYLES}]
    more = {system: ("#AAAAAA", MARKERS[at % len(MARKERS)]) for at, system in enumerate(others)}
    return {s: style for s, style in POINTS.items() if s in given} | more


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel: a line for each compressed system over its sweep, a point for the others."""
    from matplotlib.ticker import LogLocator

    single = points(rows)
    for system, style in styles(s for s in rows["system"] if s not in single).items():
        own = rows[rows["system"].eq(system)].sort_values("mb")
        ax.plot(own["mb"], own["value"], label=human(system), zorder=5, **style)
    for system, (color, marker) in single.items():
        own = rows[rows["system"].eq(system)]
        error = abs(own[["low", "high"]].sub(own["value"], axis=0)).T.to_numpy()
        style = {"color": color, "marker": marker, "ls": "", "ms": 6, "mfc": "white", "zorder": 8}
        label = STAR.get(system, human(system))
        style |= {"yerr": error, "elinewidth": 0.6}
        ax.errorbar(own["mb"], own["value"], label=label, **style)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.minorticks_off()


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the rows of `sized`."""
    xlabel = "index size in MB (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=6, handlelength=2.4)
    return fig


def figure1(results: Path, meta: list[Path], out: Path, png: Path) -> None:
    """Draw figure 1 as a PDF (`out`) and a PNG; the same tables, the same bytes.

    Raises:
        InputError: results has other columns or no test split, or a system has no meta file.
    """
    import matplotlib

    with matplotlib.rc_context(fname=RC):
        save(render(sized(results, meta)), out, png)
