"""Figure 5: effectiveness against queries a second, every system over its own trade-off.

Source: Zhan et al., JPQ (CIKM 2021), figure 5.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.errors import InputError
from jointir.report.speed import joined, pareto
from jointir.report.styles import RC, panel_figure, save, styles
from jointir.report.tables import human

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, LEGEND_HEIGHT = 2.9, 0.8  # inches
FLOOR = 0.6  # what is far below brute force would flatten the rest: shown from this part of it on


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel from the rows of one dataset and measure: a line for each system."""
    exact = rows[rows["system"].eq("brute-force")]
    for row in exact.itertuples():
        ax.axhline(row.value, color="#222222", lw=0.7, ls=(0, (6, 3)), zorder=1)
        name = human(row.system)
        ax.plot(row.qps, row.value, label=name, color="#222222", marker="o", ls="", mfc="white")
    others = rows.loc[rows["system"].ne("brute-force"), "system"]
    for order, (system, style) in enumerate(styles(others).items()):
        own = rows[rows["system"].eq(system)]
        for number, line in enumerate(sweeps(own)):
            label = f"_{system} {number}" if number else human(system)
            ax.plot(line["qps"], line["value"], label=label, zorder=30 - order, **style)
    front = rows[pareto(rows["qps"].to_numpy(float), rows["value"].to_numpy(float))]
    front = front.sort_values("qps")
    ring = {"marker": "o", "ms": 9, "mfc": "none", "mec": "#D00000", "mew": 0.8, "ls": ""}
    ax.plot(front["qps"], front["value"], label="Pareto front", zorder=40, **ring)
    ax.set_xscale("log")
    best = rows["value"].max()
    if len(exact) and best > 0:
        ax.set_ylim(max(rows["value"].min(), FLOOR * best) - 0.01 * best, 1.02 * best)


def sweeps(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of one system as its lines: one for each M where a search parameter varies.

    A setting ends with what its sweep varies, as in "M=48 nprobe=8"; the K of 4-bit codes is fixed.
    """
    parts = rows["setting"].str.extract(r"^(.*?)\S*=(\d+)(?: K=\d+)?$")
    rows = rows.assign(line=parts[0], swept=parts[1].astype(float))
    return [own.sort_values("swept") for _, own in rows.groupby("line")]


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the test rows of `joined`."""
    xlabel = "queries a second on one thread (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=5, handlelength=3)
    return fig


def figure5(results: Path, latency: Path, out: Path, png: Path) -> None:
    """Draw figure 5 as a PDF (`out`) and a PNG; the same tables, the same bytes.

    results: a table of the `results` stage; latency: of the `latency` stage, the same systems. Only
    search is timed: encoding the query takes the same with every system (table 2).

    Raises:
        InputError: a table has other columns, no test split, or a system was not timed.
    """
    import matplotlib

    rows = joined(results, latency)
    rows = rows[rows["split"].eq("test")]
    if rows.empty:
        raise InputError(results, "no row of the test split", "Measure the test split first")
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
