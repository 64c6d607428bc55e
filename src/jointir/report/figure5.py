"""Figure 5: effectiveness against queries a second, every system over its own trade-off.

Source: Zhan et al., JPQ (CIKM 2021), figure 5.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jointir.measure.speed import joined
from jointir.report.known import report
from jointir.report.styles import RC, label, panel_figure, save, styles
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, LEGEND_HEIGHT = 2.9, 0.8  # inches
FLOOR = 0.6  # what is far below brute force would flatten the rest: shown from this part of it on


def pareto(qps: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return bool[n]: which points no other point equals or beats in both, and beats in one."""
    better = (qps[:, None] >= qps) & (value[:, None] >= value)
    strictly = better & ((qps[:, None] > qps) | (value[:, None] > value))
    return ~strictly.any(axis=0)


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel from the rows of one dataset and measure: a line for each system."""
    looks = styles(rows["system"])
    for row in rows[rows["system"].eq("brute-force")].itertuples():
        ax.axhline(row.value, color="#222222", lw=0.7, ls=(0, (6, 3)), zorder=1)
        look = looks[row.system] | {"linestyle": ""}
        ax.plot(row.qps, row.value, label=label(row.system), **look)
    for order, system in enumerate(looks):
        own = rows[rows["system"].eq(system) & rows["system"].ne("brute-force")]
        for number, line in enumerate(sweeps(own)):
            name, zorder = f"_{system} {number}" if number else label(system), 30 + len(looks)
            ax.plot(line["qps"], line["value"], label=name, zorder=zorder - order, **looks[system])
    front = rows[pareto(rows["qps"].to_numpy(float), rows["value"].to_numpy(float))]
    front = front.sort_values("qps")
    ring = {"marker": "o", "ms": 9, "mfc": "none", "mec": "#D00000", "mew": 0.8, "ls": ""}
    ax.plot(front["qps"], front["value"], label="Pareto front", zorder=99, **ring)
    ax.set_xscale("log")
    best = rows["value"].max()
    if rows["system"].eq("brute-force").any() and best > 0:
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


@report(stage="speed", figure="figure5", category="Effectiveness and speed")
def figure5(results: list[Path], meta: list[Path], latency: Path, out: Path, png: Path) -> None:
    """Draw figure 5 as a PDF (`out`) and a PNG; the same tables, the same bytes.

    results: tables of the `results` stage. meta: JSON files of the runs that are shown. latency: of
    the `latency` stage. Only search is timed: encoding the query takes the same with every system
    (table 2).

    Raises:
        InputError: a table has other columns, no test split, or lacks a run.
    """
    import matplotlib

    rows = final_rows(joined(results, meta, latency))
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
