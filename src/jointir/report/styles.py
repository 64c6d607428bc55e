"""What a system is called, and how it is drawn: colour for its family, marker for greyscale."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.files import atomic
from jointir.measure.results import measures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RC = Path(__file__).parent / "matplotlibrc"

# The name that a reader sees, in the order in which tables and legends have the systems.
LABELS = {
    "jpq": "JPQ",
    "jpq-4bit": "JPQ 4-bit",
    "ivf-jpq": "IVF-JPQ",
    "dpq": "DPQ",
    "opq": "OPQ",
    "opq-4bit": "OPQ 4-bit",
    "pq": "PQ",
    "scann": "ScaNN",
    "opq-scann": "OPQ+ScaNN",
    "itq-lsh": "ITQ+LSH",
    "lsh": "LSH",
    "hnsw": "HNSW",
    "hnsw-opq": "HNSW+OPQ",
    "imi": "IMI",
    "annoy": "Annoy",
    "falconn": "FALCONN",
    "flann": "FLANN",
    "star": "STAR",
    "rand-neg": "Rand Neg",
    "bm25-neg": "BM25 Neg",
    "simcse": "SimCSE",
    "sentence-t5": "Sentence-T5",
    "gtr": "GTR-Base",
    "repbert": "RepBERT",
    "ance": "ANCE",
    "tct-colbert": "TCT-ColBERT",
    "adore": "brute force (ADORE + STAR)",
    "brute-force": "brute force (STAR)",
    "brute-force-pretrained": "brute force (untrained)",
    "colbert": "ColBERT",
    "bm25": "BM25",
    "bm25-expanded": "BM25 + doc2query-MiniLM",
    "bm25-doct5query": "BM25 + docT5query",
    "splade": "SPLADE",
    "random-ids": "random ids",
    "product-ids": "product codes, fixed (as Ultron-PQ)",
    "tree-ids": "k-means tree, fixed (as DSI)",
    "random-ids-bart": "random ids, BART decoder",
    "asi++-bart": "ASI++, BART decoder",
    "residual-ids": "residual codes, fixed",
    "dsi-naive": "DSI-Naive",
    "dsi-semantic": "DSI-Semantic",
    "dsi-atomic": "DSI-Atomic",
    "dynamic-retriever": "DynamicRetriever",
    "nci": "NCI",
    "seal": "SEAL",
    "ultron-url": "Ultron-URL",
    "ultron-pq": "Ultron-PQ",
    "ultron-atomic": "Ultron-Atomic",
    "genret": "GenRet",
    "novo": "NOVO",
    "asi": "ASI",
    "asi++": "ASI++",
    "asi++-warm": "ASI++, warm start",
    "asi++-without-ib": "ASI++ without L_ib",
    "asi++-without-ib-bot": "ASI++ without L_ib, L_bot",
    "asi++-pq": "ASI++ with PQ",
    "asi++-rq": "ASI++ with RQ",
    "asi++-expanded": "ASI++ + doc2query-MiniLM",
    "asi-expanded": "ASI + doc2query-MiniLM",
    "random-ids-expanded": "random ids + doc2query-MiniLM",
    "asi-unseen": "ASI",
    "asi++-unseen": "ASI++",
}
EXACT = "brute force"  # of vectors that are no encoder's

# Okabe and Ito's colours. Blue: trained jointly; warm: compressed afterwards; green: hashed, or a
# bag of words; purple and grey: graphs, trees and lists over embeddings, and these themselves.
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
    "brute-force": {"color": "#222222", "marker": "o", "linestyle": "-", "mfc": "white"},
    "rand-neg": {"color": "#555555", "marker": "v", "linestyle": "-"},
    "bm25-neg": {"color": "#555555", "marker": "^", "linestyle": "-"},
    "simcse": {"color": "#555555", "marker": "h", "linestyle": "-"},
    "repbert": {"color": "#555555", "marker": "p", "linestyle": "-"},
    "ance": {"color": "#555555", "marker": "D", "linestyle": "-"},
    "tct-colbert": {"color": "#555555", "marker": "s", "linestyle": "-"},
    "adore": {"color": "#555555", "marker": "*", "linestyle": "-"},
    "colbert": {"color": "#6A3D9A", "marker": "P", "linestyle": "-"},
    "bm25": {"color": "#009E73", "marker": "X", "linestyle": "-"},
    "bm25-expanded": {"color": "#009E73", "marker": "P", "linestyle": "-"},
}
# of systems without an entry: one for each in a figure
COLOURS = ("#A63603", "#1B7837", "#5E3C99", "#B2182B", "#35978F")
MARKERS = ("1", "2", "3", "4", "+")
DASHES = ((0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (5, 3)), (0, (2, 2)))
OTHERS = [
    {"color": COLOURS[i % 5], "marker": MARKERS[(i + i // 5) % 5], "linestyle": DASHES[i % 5]}
    for i in range(25)
]


def label(system: str) -> str:
    """Return the name that a reader sees; a system without an entry is called as it is."""
    return LABELS.get(system, system)


def ranked(systems: pd.Series) -> pd.Series:
    """Return sort keys: systems in the order of LABELS, others after them by name."""
    order = {system: at for at, system in enumerate(LABELS)}
    return systems.map(lambda s: f"{order.get(s, len(order)):03d}{s}")


def in_order(systems: Iterable[str]) -> list[str]:
    """Return the systems, each once, in the order that `ranked` gives."""
    return pd.Series(sorted(set(systems)), dtype=str).sort_values(key=ranked).tolist()


def styles(systems: Iterable[str]) -> dict[str, dict]:
    """Return how a figure draws each of its systems, as options of a line; in order.

    A system without an entry has one of OTHERS that its name chooses, or the next whose colour, or
    at least whose look, no system of the figure has: most have the same one in every figure.
    """
    found: dict[str, dict] = {}
    for system in in_order(systems):
        at = zlib.crc32(system.encode())
        others = [OTHERS[(at + i) % len(OTHERS)] for i in range(len(OTHERS))]
        unlike = [look for look in others if look not in found.values()]
        colours = {look["color"] for look in found.values()}
        free = [look for look in unlike if look["color"] not in colours]
        found[system] = dict(STYLES.get(system) or (free or unlike or others)[0])
    return found


WIDTH = 7.0  # inches


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
