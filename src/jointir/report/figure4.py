"""Figure 4: effectiveness against index size, JPQ and the other compressions of one encoder.

Source: Zhan et al., JPQ (CIKM 2021), figure 4.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.measure.results import read_results
from jointir.report.known import report
from jointir.report.styles import DASHES, RC, label, panel_figure, save, styles
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_COLUMNS = 4  # three lines of all systems, brute force in the last column
ROW_HEIGHT, LEGEND_HEIGHT = 2.5, 0.6  # inches

# horizontal lines, in the legend and not on the line: STAR's and ADORE's may be close together
BRUTE = {
    "adore": {"color": "#888888", "linestyle": (0, (8, 2, 1, 2)), "linewidth": 1.1},
    "brute-force": {"color": "#222222", "linestyle": (0, (6, 3)), "linewidth": 0.9},
    "brute-force-pretrained": {"color": "#222222", "linestyle": (0, (1, 2)), "linewidth": 0.9},
}


def swept(rows: pd.DataFrame) -> list[str]:
    """Return the systems that have a line, in the order of their styles: those with settings."""
    return list(styles(rows.loc[rows["setting"].ne(""), "system"]))


def exact(rows: pd.DataFrame) -> dict[str, dict]:
    """Return the systems without a setting, and the style of each one's horizontal line."""
    given = rows.loc[rows["setting"].eq(""), "system"].unique()
    found = {system: style for system, style in BRUTE.items() if system in given}
    for at, system in enumerate(s for s in given if s not in BRUTE):
        found[system] = {"color": "#888888", "linestyle": DASHES[at % len(DASHES)]}
    return found


def draw_brute_force(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw a horizontal line for each system without a setting in one panel's rows."""
    own = exact(rows)
    for row in rows[rows["setting"].eq("")].itertuples():
        ax.axhline(row.value, label=label(row.system), zorder=1, **own[row.system])


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel from the rows of one dataset and measure: a line and a band for each system.

    A system with several seeds has a line for each, labelled once.
    """
    draw_brute_force(ax, rows)
    ax.set_xscale("log")
    looks = styles(swept(rows))
    for order, (system, look) in enumerate(looks.items()):
        runs = rows[rows["system"].eq(system)].groupby("seed")
        name, zorder = label(system), 2 + len(looks) - order  # JPQ on top
        for number, (_, run) in enumerate(runs):
            run = run.sort_values("bytes_per_doc")
            x = run["bytes_per_doc"]
            ax.fill_between(x, run["low"], run["high"], color=look["color"], alpha=0.13, lw=0)
            once = name if number == 0 else f"_{name} {number}"
            ax.plot(x, run["value"], label=once, zorder=zorder, **look)
    ticks = sorted(rows.loc[rows["setting"].ne(""), "bytes_per_doc"].unique())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def add_legend(fig: "Figure", rows: pd.DataFrame) -> None:
    """Add one legend above all panels: what they draw, each once."""
    lines = [line for ax in fig.axes for line in ax.get_lines()]
    handles = {str(line.get_label()): line for line in lines}
    names = [label(system) for system in [*swept(rows), *exact(rows)]]
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
    add_legend(fig, rows)
    return fig


@report(
    stage="report",
    figure="figure4",
    category="Effectiveness and index size",
    reads={"system": "drawn systems"},
    # not drawn: who asks for the figure gets its numbers too, and the verdicts as the last words
    beside=("figure4_table", "groups_table", "metrics", "figure_training", "pays"),
    prints="pays",
)
def figure4(results: list[Path], out: Path, png: Path, system: list[str]) -> None:
    """Draw figure 4 from results as a PDF (`out`) and a PNG; the same table, the same bytes.

    system: those that are drawn, beside brute force with STAR.

    Raises:
        InputError: results have other columns, no test split, or none of `system`.
    """
    import matplotlib

    rows = final_rows(read_results(results))
    rows = rows[rows["system"].isin([*system, "brute-force"])]
    if not swept(rows):
        remedy = f"Measure one of {', '.join(system)} first"
        raise InputError(results[0], "no system that figure 4 shows", remedy)
    # rc_context with a file starts from matplotlib's defaults: a user's own settings stay out
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
