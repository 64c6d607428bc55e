"""Figure 4: effectiveness against index size, JPQ and the other compressions of one encoder.

Source: Zhan et al., JPQ (CIKM 2021), figure 4.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.errors import InputError
from jointir.measure.results import read_results
from jointir.report.styles import RC, in_order, label, panel_figure, save, style
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_COLUMNS = 4  # three lines of all systems, brute force in the last column
ROW_HEIGHT, LEGEND_HEIGHT = 2.5, 0.6  # inches

HIDDEN = ["opq-4bit"]  # too close to OPQ: in the table alone
# horizontal lines, in the legend and not on the line: STAR's and ADORE's may be close together
BRUTE = {
    "adore": {"color": "#888888", "linestyle": (0, (8, 2, 1, 2)), "linewidth": 1.1},
    "brute-force": {"color": "#222222", "linestyle": (0, (6, 3)), "linewidth": 0.9},
    "brute-force-pretrained": {"color": "#222222", "linestyle": (0, (1, 2)), "linewidth": 0.9},
}


def swept(rows: pd.DataFrame) -> list[str]:
    """Return the systems that are drawn as a line over their sweep, JPQ first."""
    return [system for system in in_order(rows["system"]) if system not in (*HIDDEN, *BRUTE)]


def draw_brute_force(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw a horizontal line for each brute-force system in one panel's rows."""
    for row in rows[rows["system"].isin(BRUTE)].itertuples():
        ax.axhline(row.value, label=label(row.system), zorder=1, **BRUTE[row.system])


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel from the rows of one dataset and measure: a line and a band for each system.

    A system with several seeds has a line for each, labelled once.
    """
    draw_brute_force(ax, rows)
    systems = swept(rows)
    ax.set_xscale("log")
    for order, system in enumerate(systems):
        runs = rows[rows["system"].eq(system)].groupby("seed")
        name, look, zorder = label(system), style(system), 2 + len(systems) - order  # JPQ on top
        for number, (_, run) in enumerate(runs):
            run = run.sort_values("bytes_per_doc")
            x = run["bytes_per_doc"]
            ax.fill_between(x, run["low"], run["high"], color=look["color"], alpha=0.13, lw=0)
            once = name if number == 0 else f"_{name} {number}"
            ax.plot(x, run["value"], label=once, zorder=zorder, **look)
    ticks = sorted(rows.loc[rows["system"].isin(systems), "bytes_per_doc"].unique())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def add_legend(fig: "Figure", systems: list[str]) -> None:
    """Add one legend above all panels: what they draw of `systems` and brute force, each once."""
    lines = [line for ax in fig.axes for line in ax.get_lines()]
    handles = {str(line.get_label()): line for line in lines}
    names = [label(system) for system in [*systems, *BRUTE]]
    shown = [name for name in names if name in handles]
    fig.legend(
        [handles[name] for name in shown],
        shown,
        loc="outside upper center",
        ncols=min(len(shown), LEGEND_COLUMNS),
        handlelength=3.2,
        columnspacing=1.4,
    )


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the test rows of results.csv."""
    xlabel = "bytes per document (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    add_legend(fig, swept(rows))
    return fig


def figure4(results: list[Path], out: Path, png: Path) -> None:
    """Draw figure 4 from results as a PDF (`out`) and a PNG; the same table, the same bytes.

    Raises:
        InputError: results have other columns, no test split, or no system of the figure.
    """
    import matplotlib

    rows = final_rows(read_results(results))
    if not swept(rows):
        raise InputError(results[0], "no system that figure 4 shows", "Measure jpq first")
    # rc_context with a file starts from matplotlib's defaults: a user's own settings stay out
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
