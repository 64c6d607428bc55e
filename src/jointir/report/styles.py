"""How every figure draws a system: colour for its family, marker and dashes for greyscale."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.files import atomic
from jointir.measure.results import measures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RC = Path(__file__).parent / "matplotlibrc"

# Okabe and Ito's colours. Blue: trained jointly; warm: compressed afterwards; green: hashed;
# purple and grey: graphs, trees and lists over whole embeddings.
STYLES = {
    "jpq": {"color": "#0072B2", "marker": "o", "linestyle": "-", "linewidth": 2.2},
    "jpq-4bit": {"color": "#56B4E9", "marker": "P", "linestyle": (0, (4, 1))},
    "ivf-jpq": {"color": "#0072B2", "marker": "*", "linestyle": (0, (1, 1))},
    "dpq": {"color": "#000000", "marker": "X", "linestyle": (0, (6, 1, 1, 1))},
    "opq": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    "pq": {"color": "#E69F00", "marker": "^", "linestyle": "-."},
    "scann": {"color": "#B79F00", "marker": "<", "linestyle": (0, (3, 2, 1, 2))},
    "opq-scann": {"color": "#8A5A00", "marker": ">", "linestyle": (0, (2, 1))},
    "itq-lsh": {"color": "#009E73", "marker": "D", "linestyle": (0, (5, 1.5, 1, 1.5, 1, 1.5))},
    "lsh": {"color": "#CC79A7", "marker": "v", "linestyle": ":"},
    "hnsw": {"color": "#6A3D9A", "marker": "h", "linestyle": "-"},
    "hnsw-opq": {"color": "#A678DE", "marker": "H", "linestyle": "--"},
    "imi": {"color": "#666666", "marker": "d", "linestyle": "-"},
    "annoy": {"color": "#999999", "marker": "p", "linestyle": "--"},
    "falconn": {"color": "#777777", "marker": "8", "linestyle": ":"},
    "flann": {"color": "#444444", "marker": "|", "linestyle": "-."},
}

# of systems without a style of their own, in turn
COLOURS = ["#5B2A86", "#117733", "#AA3377", "#994F00", "#40B0A6"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", (0, (4, 1, 1, 1)), (0, (2, 1)), ":"]

WIDTH = 7.0  # inches


def styles(systems: Iterable[str]) -> dict[str, dict]:
    """Return the style of each system: those of STYLES first, in its order, then the others."""
    given = list(dict.fromkeys(systems))
    found = {system: style for system, style in STYLES.items() if system in given}
    for at, system in enumerate(s for s in given if s not in STYLES):
        cycles = {"color": COLOURS, "marker": MARKERS, "linestyle": DASHES}
        found[system] = {name: values[at % len(values)] for name, values in cycles.items()}
    return found


def panel_figure(
    rows: pd.DataFrame,
    draw: Callable[["Axes", pd.DataFrame], None],
    xlabel: str,
    row_height: float,
    legend_height: float,
) -> "Figure":
    """Return a figure with a panel for each dataset and each measure, in the params' order.

    draw: fills a panel with the rows of one dataset and measure. A dataset begins a new line of
    panels. row_height, legend_height: inches, of a line of panels and of what is above all.
    """
    from matplotlib.figure import Figure

    shown = {dataset: measures_of(own) for dataset, own in rows.groupby("dataset")}
    lines = [
        (dataset, across, measures[at : at + across])
        for dataset, measures in shown.items()
        for across in [_across(len(measures))]
        for at in range(0, len(measures), across)
    ]
    fig = Figure(figsize=(WIDTH, legend_height + row_height * len(lines)))
    grid = fig.add_gridspec(len(lines), 6)
    for number, (dataset, across, measures) in enumerate(lines):
        size = 6 // across
        for at, measure in enumerate(measures):
            ax = fig.add_subplot(grid[number, at * size : (at + 1) * size])
            draw(ax, rows[rows["dataset"].eq(dataset) & rows["measure"].eq(measure)])
            ax.set_ylabel(measure)
            if len(shown) > 1 and at == 0:
                ax.set_title(dataset, loc="left")
    fig.supxlabel(xlabel, fontsize="medium")
    return fig


def _across(panels: int) -> int:
    """Return how many of a dataset's panels are side by side: more would have no room for ticks."""
    return 2 if panels == 4 else min(panels, 3)


def save(fig: "Figure", out: Path, png: Path) -> None:
    """Write a figure as PDF and PNG, atomically; the same numbers, the same bytes."""
    with atomic(out) as scratch:
        fig.savefig(scratch, format="pdf", metadata={"CreationDate": None})
    with atomic(png) as scratch:
        fig.savefig(scratch, format="png", metadata={"Software": None})
