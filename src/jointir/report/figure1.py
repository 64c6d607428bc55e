"""Figure 1: effectiveness against the size of the index, for every family of retrievers.

Source: Zhan et al., JPQ (CIKM 2021), figure 1, and figure 6 for a second collection.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.measure.families import COMPRESSED
from jointir.measure.results import KEY, read_meta, shown
from jointir.report.known import report
from jointir.report.styles import RC, label, panel_figure, save, styles
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, LEGEND_HEIGHT = 2.7, 0.8  # inches


def sized(results: list[Path], meta: list[Path]) -> pd.DataFrame:
    """Return the test rows of the runs in `meta` with the size of the whole index, `mb`.

    mb: in megabytes. meta: the JSON files of the runs that are shown.

    Raises:
        InputError: a run is not in the results.
    """
    found = [read_meta(path) for path in meta]
    sizes = {tuple(m[key] for key in KEY): sum(m["bytes"].values()) / 1e6 for m in found}
    rows = final_rows(shown(results, meta))
    return rows.assign(mb=[sizes[key] for key in rows[KEY].itertuples(index=False, name=None)])


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel: a line for each compressed system over its sweep, a point for the others."""
    from matplotlib.ticker import LogLocator

    looks, settings = styles(rows["system"]), rows["system"].value_counts()
    lines = [system for system in looks if system in COMPRESSED or settings[system] > 1]
    for system in lines:
        own = rows[rows["system"].eq(system)].sort_values("mb")
        ax.plot(own["mb"], own["value"], label=label(system), zorder=5, **looks[system])
    for system in [system for system in looks if system not in lines]:
        own = rows[rows["system"].eq(system)]
        error = abs(own[["low", "high"]].sub(own["value"], axis=0)).T.to_numpy()
        look = {name: looks[system][name] for name in ("color", "marker")}
        look |= {"ls": "", "ms": 6, "mfc": "white", "zorder": 8, "yerr": error, "elinewidth": 0.6}
        ax.errorbar(own["mb"], own["value"], label=label(system), **look)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.minorticks_off()


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the rows of `sized`."""
    xlabel = "index size in MB (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=4, handlelength=2.4)
    return fig


@report(stage="retrievers", figure="figure1", category="Retrieval models")
def figure1(results: list[Path], meta: list[Path], out: Path, png: Path) -> None:
    """Draw figure 1 as a PDF (`out`) and a PNG; the same tables, the same bytes.

    Raises:
        InputError: results have other columns or no test split, or lack a run of `meta`.
    """
    import matplotlib

    with matplotlib.rc_context(fname=RC):
        save(render(sized(results, meta)), out, png)
