"""How every figure draws a system: colour for its family, marker and dashes for greyscale."""

from pathlib import Path
from typing import TYPE_CHECKING

from jointir.files import atomic

if TYPE_CHECKING:
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


def save(fig: "Figure", out: Path, png: Path) -> None:
    """Write a figure as PDF and PNG, atomically; the same numbers, the same bytes."""
    with atomic(out) as scratch:
        fig.savefig(scratch, format="pdf", metadata={"CreationDate": None})
    with atomic(png) as scratch:
        fig.savefig(scratch, format="png", metadata={"Software": None})
