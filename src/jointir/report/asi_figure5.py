"""Figure 5 of ASI++: a part of the prefix tree of learned identifiers, with telling words."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jointir.data.store import read_corpus
from jointir.generative.ids import read_ids
from jointir.report.known import report
from jointir.report.styles import RC, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOTS, BRANCHES, LEAVES, WORDS = 2, 3, 2, 4
LONGEST = 68  # characters of a label


def telling_words(texts: list[str], groups: np.ndarray) -> dict[int, list[str]]:
    """Return the WORDS of highest tf-idf in each group of texts, a group being one long text.

    groups: int[n], the group of each text. Words are letters only, 3 at least, and must be in two
    texts of the group, where it has two, so that one document's oddities do not speak for it.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    counter = CountVectorizer(token_pattern=r"[a-zA-Z]{3,}", stop_words="english", binary=True)
    present = counter.fit_transform(texts)  # [n, words]
    names = np.unique(groups)
    member = (names[:, None] == groups).astype(np.int64)  # [groups, n]
    counts = member @ present
    common = np.asarray(counts) >= np.minimum(2, member.sum(1))[:, None]
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray() * common
    words = counter.get_feature_names_out()
    return {
        int(name): [words[j] for j in np.argsort(-row)[:WORDS] if row[j] > 0]
        for name, row in zip(names, weights, strict=True)
    }


def largest(tokens: np.ndarray, count: int) -> list[int]:
    """Return the `count` most frequent tokens, the most frequent first."""
    found, counts = np.unique(tokens, return_counts=True)
    return [int(t) for t in found[np.argsort(-counts, kind="stable")][:count]]


def branches(ids: np.ndarray, texts: list[str], titles: list[str]) -> list[tuple]:
    """Return (depth, prefix, label, documents) of the tree to draw, depth first."""
    lines: list[tuple] = []

    def grow(rows: np.ndarray, prefix: tuple[int, ...]) -> None:
        depth = len(prefix)
        if depth == 3:
            lines.append((depth, prefix, titles[rows[0]], len(rows)))
            return
        tokens = ids[rows, depth]
        words = telling_words([texts[r] for r in rows], tokens)
        for token in largest(tokens, (ROOTS, BRANCHES, LEAVES)[depth]):
            own = rows[tokens == token]
            lines.append((depth, (*prefix, token), ", ".join(words[token]), len(own)))
            grow(own, (*prefix, token))

    grow(np.arange(len(ids)), ())
    return lines


@report(
    stage="asi_report",
    figure="asi",
    category="Generative retrieval",
    reads={"collection": "collection of ASI", "ids": "identifiers of ASI++"},
    needs=("asi++",),
    mem_mb=2000,
)
def asi_figure5(collection: Path, ids: Path, out: Path, png: Path) -> None:
    """Draw the most used prefixes, each with the words that set it apart from its siblings."""
    import matplotlib
    from matplotlib.figure import Figure

    corpus = read_corpus(collection)
    texts = (corpus["title"] + " " + corpus["text"]).tolist()
    titles = corpus["title"].where(corpus["title"] != "", corpus["doc_id"]).tolist()
    lines = branches(read_ids(ids)[1], texts, titles)
    with matplotlib.rc_context(fname=RC):
        fig = Figure(figsize=(7.0, 0.6 + 0.19 * len(lines)))
        draw(fig.subplots(), lines)
        save(fig, out, png)


def draw(ax: "Axes", lines: list[tuple]) -> None:
    """Draw the tree as an indented list with connecting lines."""
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(len(lines) + 0.5, -1)
    last: dict[int, int] = {}
    for y, (depth, prefix, label, count) in enumerate(lines):
        x = 0.02 + 0.07 * depth
        if depth:
            top = last[depth - 1]
            ax.plot([x - 0.05, x - 0.05, x - 0.01], [top + 0.35, y, y], color="#999999", lw=0.7)
        last[depth] = y
        _write(ax, x, y, prefix if depth < 3 else (), label, count)
    heading = {"va": "center", "fontsize": 7.5, "style": "italic", "color": "#555555"}
    ax.text(0.02, -0.9, "identifier's first tokens", **heading)
    ax.text(0.33, -0.9, "words that set its documents apart from its siblings'", **heading)
    ax.text(0.98, -0.9, "documents", ha="right", **heading)


def _write(ax: "Axes", x: float, y: float, prefix: tuple, label: str, count: int) -> None:
    """Write the line of a branch: tokens, words, documents; or, without tokens, an example."""
    short = label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."
    if not prefix:
        ax.text(x, y, f"e.g. {short}", va="center", fontsize=7, color="#555555")
        return
    ax.text(x, y, "-".join(map(str, prefix)), va="center", fontsize=7.5, weight="bold")
    ax.text(0.33, y, short, va="center", fontsize=7.5)
    ax.text(0.98, y, f"{count:,}", va="center", ha="right", fontsize=7.5)
