"""How every figure draws a system: colour for its family, marker and dashes for greyscale."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.files import atomic

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


def panels(measures: pd.Series) -> list[str]:
    """Return the two measures that figures 4 and 5 show of a dataset, from all it was measured by.

    As in the paper: nDCG@10 in place of MRR@10 where judgements are graded and not one a query,
    which is where Judged@10 is measured too.
    """
    return ["nDCG@10" if measures.eq("Judged@10").any() else "MRR@10", "R@100"]


def draw_panels(
    fig: "Figure", rows: pd.DataFrame, draw: Callable[["Axes", pd.DataFrame], None], xlabel: str
) -> None:
    """Let `draw` fill a row of two panels for each dataset in rows, one for each measure shown."""
    datasets = sorted(rows["dataset"].unique())
    axes = fig.subplots(len(datasets), 2, squeeze=False)
    for line, dataset in zip(axes, datasets, strict=True):
        own = rows[rows["dataset"].eq(dataset)]
        for ax, measure in zip(line, panels(own["measure"]), strict=True):
            draw(ax, own[own["measure"].eq(measure)])
            ax.set_ylabel(measure)
            if len(datasets) > 1:
                ax.set_title(dataset, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)


def save(fig: "Figure", out: Path, png: Path) -> None:
    """Write a figure as PDF and PNG, atomically; the same numbers, the same bytes."""
    with atomic(out) as scratch:
        fig.savefig(scratch, format="pdf", metadata={"CreationDate": None})
    with atomic(png) as scratch:
        fig.savefig(scratch, format="png", metadata={"Software": None})
