"""Figure 3: a query's neighbourhood, and how many negatives JPQ shares with brute force.

Source: Zhan et al., JPQ (CIKM 2021), section 4.4.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.readers import read_csv, read_parquet
from jointir.report.known import report
from jointir.report.styles import RC, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = {
    "brute-force": ("brute force's negatives", {"c": "#E69F00", "marker": "s", "s": 9}),
    "jpq": ("JPQ's negatives", {"c": "#0072B2", "marker": "o", "s": 9}),
    "both": ("both", {"c": "#BBBBBB", "marker": ".", "s": 9}),
    "relevant": ("relevant", {"c": "#009E73", "marker": "P", "s": 60, "ec": "white"}),
    "query": ("query", {"c": "#D00000", "marker": "*", "s": 110, "ec": "white"}),
}


def draw_neighbourhood(ax: "Axes", points: pd.DataFrame) -> None:
    """Draw x, y, kind as a map without scales: in a t-SNE only neighbourhood means something."""
    for kind, (name, style) in SHOWN.items():
        own = points[points["kind"].eq(kind)]
        ax.scatter(own["x"], own["y"], label=f"{name} ({len(own)})", linewidths=0.5, **style)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=7.5)


def draw_overlap(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw the mean share of common negatives by M, and the middle nine tenths of queries."""
    ax.fill_between(rows["M"], rows["low"], rows["high"], alpha=0.15, lw=0, color="#0072B2")
    ax.plot(rows["M"], rows["overlap"], "o-", color="#0072B2")
    ax.set_xscale("log")
    ax.set_xticks(rows["M"], [str(M) for M in rows["M"]])
    ax.minorticks_off()
    ax.set_ylim(0, 1)
    ax.set_xlabel("M, bytes per document (log scale)")
    ax.set_ylabel(f"negatives in common, of {rows['negatives'].iloc[0]}")


@report(stage="negatives", category="Ablation")
def figure3(overlap: list[Path], drawn: list[Path], out: Path, png: Path) -> None:
    """Draw figure 3 as a PDF (`out`) and a PNG: a row for each dataset.

    overlap, drawn: tables of the `negatives` stage, in parallel.

    Raises:
        InputError: the lists are not equally long.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if not overlap or len(overlap) != len(drawn):
        found = f"{len(overlap)} overlaps, {len(drawn)} pictures"
        raise InputError("figure3", found, "Give one of each for every dataset")
    with matplotlib.rc_context(fname=RC):
        fig = Figure(figsize=(7.0, 3.2 * len(overlap)))
        axes = fig.subplots(len(overlap), 2, squeeze=False)
        for (left, right), shares, points in zip(axes, overlap, drawn, strict=True):
            draw_neighbourhood(left, read_parquet(points, ["x", "y", "kind"]))
            draw_overlap(right, read_csv(shares, ["M", "overlap", "low", "high"]))
            if len(overlap) > 1:
                left.set_title(shares.parent.name, loc="left")
        save(fig, out, png)
