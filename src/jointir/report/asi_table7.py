"""Tables 6 and 7 of ASI++ (Liu et al. 2024): documents that share an identifier, on this corpus."""

from pathlib import Path

import numpy as np

from jointir.data.store import document_texts, read_corpus
from jointir.generative.ids import read_ids
from jointir.report.asi_figure5 import telling_words
from jointir.report.formats import Page, write_lines
from jointir.report.known import report

CASES, TITLES = 5, 4  # identifiers, and at most as many documents of each
LONGEST = 60  # characters of a title
NOTE = (
    "{cases} of the {shared:,} identifiers of ASI++ (first seed) that several documents share, "
    "drawn at random. *words*: those of the highest tf-idf, in two of its documents at least. "
    "*documents*: the first {titles} in the corpus' order."
)


def shared(ids: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each of int64[N, L] identifiers that several documents share."""
    _, group, counts = np.unique(ids, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(group.ravel(), kind="stable")
    return [rows for rows in np.split(order, counts.cumsum()[:-1]) if len(rows) > 1]


def drawn(groups: list[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """Return CASES of the groups at random, in their order; all where there are fewer."""
    chosen = np.random.default_rng(seed).permutation(len(groups))[:CASES]
    return [groups[i] for i in np.sort(chosen)]


@report(
    stage="asi_report",
    figure="asi",
    reads={"collection": "collection of ASI", "ids": "identifiers of ASI++"},
    writes={"out": "reports/asi_table7.md"},
    needs=("asi++",),
    mem_mb=2000,
)
def asi_table7(collection: Path, ids: Path, out: Path) -> None:
    """Write a few identifiers that several documents share: how many, their words, their titles."""
    corpus, codes = read_corpus(collection), read_ids(ids)[1]
    names = corpus["title"].where(corpus["title"] != "", corpus["doc_id"])
    groups = shared(codes)
    cases = drawn(groups)
    member = np.full(len(codes), len(cases))  # the others are a group too
    for number, rows in enumerate(cases):
        member[rows] = number
    words = telling_words(document_texts(corpus), member)
    body = [
        [
            "-".join(map(str, codes[rows[0]])),
            f"{len(rows):,}",
            ", ".join(words[number]),
            "; ".join(_short(names.iloc[row]) for row in rows[:TITLES]),
        ]
        for number, rows in enumerate(cases)
    ]
    note = NOTE.format(cases=len(cases), shared=len(groups), titles=TITLES)
    page = Page(
        "# Documents that share an identifier", ["identifier", "number", "words", "documents"], body
    )
    write_lines([*page.lines(4), note], out)


def _short(title: str) -> str:
    """Return a title as a part of a table's cell."""
    line = " ".join(title.split()).replace("|", "\\|")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
