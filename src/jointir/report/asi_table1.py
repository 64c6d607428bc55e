"""Table 1 of ASI++ (Liu et al. 2024) from this project's runs, with bytes and milliseconds."""

from collections.abc import Iterable
from pathlib import Path

from jointir.measure.asi_results import CORRECT
from jointir.report import asi_paper
from jointir.report.asi_paper import DENSE, GENERATIVE, SPARSE
from jointir.report.asi_tables import HYBRID, TESTED, WIDER, Measured, cell, read_asi
from jointir.report.formats import Page, write_lines
from jointir.report.known import report
from jointir.report.styles import in_order, label

HEADER = ["system", "decoding", "R@1", "R@5", "R@10", "MRR@10"]
HEADER += ["model MB", "index MB", "ms a query", asi_paper.TITLE]
COSTS = (
    "*model*: the weights that answer a query: the encoder, and of generative retrieval indexing "
    "module and decoder too. *index*: what is kept of the documents beside it: inverted lists, "
    "embeddings, or identifiers, a byte a token and two where there are more than 256; of *hybrid* "
    "identifiers and embeddings. *ms a query*: of generative retrieval, query encoder included, in "
    "batches of 64."
)
FAMILY = (
    "*DSI, DynamicRetriever, NCI, Ultron, GenRet, NOVO*: STAR's encoder, frozen, stands in for T5 "
    "or BERT, embeddings of documents and a sentence of each for their tokens, embeddings that "
    "move towards queries for generated queries, and a softmax or vectors of prefixes for T5's "
    "decoder: docs/reproduction.md. *SEAL*: the generator of doc2query-MiniLM stands in for BART; "
    "there are no identifiers, and its hybrid ranks the first documents that it found. They are "
    "not tuned: each has one setting, DynamicRetriever the better one of two on dev."
)
Key = tuple[str, str]  # a system and its setting


def row(measured: Measured, system: str, setting: str, paper: str) -> list[str]:
    """Return the cells of one system and setting."""
    decoding = setting.removesuffix(CORRECT)
    told = "-" if measured.number(system, "beam", decoding).empty else decoding
    if decoding == HYBRID:
        told += f" (beam {measured.number(system, 'beam', decoding).mean():.0f})"
    model = measured.number(system, "model bytes", decoding)
    costs = ["-" if model.empty else _mb(model.mean())]
    costs.append(_mb(measured.index_bytes(system, decoding)))
    costs.append(cell(measured.number(system, "ms a query", decoding), 1))
    return [label(system), told, *measured.cells(system, setting), *costs, paper]


def _mb(size: float) -> str:
    return f"{size / 1e6:,.2f}"


def group(
    measured: Measured, heading: str, keys: Iterable[Key], paper: dict[str, tuple[float, ...]]
) -> Page:
    """Return a part of the table: our rows, then the paper's systems that are none of ours.

    paper: its numbers of this group, by the systems' labels; they stand in a system's first row.
    """
    left, body = dict(paper), []
    for system, setting in keys:
        numbers = left.pop(label(system), None)
        body.append(row(measured, system, setting, asi_paper.cell(numbers)))
    body += [[name, *["-"] * 8, asi_paper.cell(numbers)] for name, numbers in left.items()]
    return Page(f"## {heading}", HEADER, body)


def groups(measured: Measured, systems: list[str], sparse: list[str]) -> list[Page]:
    """Return the table's parts: the paper's three groups, hybrids, and the other reading.

    systems: those with identifiers. sparse: those of the others that compare words.
    """
    writing = [s for s in measured.rankers() if measured.writes(s)]
    others = in_order(set(measured.rankers()) - set(writing))
    ranked = [(s, setting) for s in others for setting in measured.settings(s)]
    generative = in_order([*systems, *writing])
    found = [(s, setting) for s in generative for setting in measured.settings(s)]
    of_words = [key for key in ranked if key[0] in sparse]
    of_vectors = [key for key in ranked if key[0] not in sparse]
    written = [key for key in found if key[1] != HYBRID and not key[1].endswith(CORRECT)]
    rescored = [key for key in found if key[1] == HYBRID]
    correct = [key for key in found if key[1].endswith(CORRECT)]
    reading = f"{GENERATIVE}, correct id".capitalize()
    return [
        group(measured, SPARSE.capitalize(), of_words, asi_paper.TABLE1[SPARSE]),
        group(measured, DENSE.capitalize(), of_vectors, asi_paper.TABLE1[DENSE]),
        group(measured, GENERATIVE.capitalize(), written, asi_paper.TABLE1[GENERATIVE]),
        group(measured, "Hybrid: generated, then ranked by the encoder", rescored, {}),
        group(measured, reading, correct, asi_paper.CORRECT_ID),
    ]


@report(
    stage="asi_report",
    figure="asi",
    reads={
        "results": "results of ASI",
        "numbers": "numbers of ASI",
        "comparisons": "comparisons of ASI",
        "system": "systems of ASI",
        "sparse": "sparse systems of ASI",
    },
    writes={"out": "reports/asi_table1.md"},
)
def asi_table1(
    results: Path,
    numbers: Path,
    comparisons: Path,
    out: Path,
    system: list[str],
    sparse: list[str],
) -> None:
    """Write effectiveness with its costs, in the paper's groups.

    results, numbers, comparisons: files of `asi-results`. system: the systems with identifiers that
    are shown. sparse: those of the others that compare words; the rest are dense, or write n-grams.

    Raises:
        InputError: what `read_asi` refuses.
    """
    measured = read_asi(results, numbers, comparisons)
    lines = ["# ASI++, table 1", ""]
    for page in groups(measured, system, sparse):
        lines += page.lines(2) if page.rows else []
    notes = [measured.note(), WIDER, COSTS, FAMILY, TESTED, asi_paper.NOTE]
    lines += [part for note in notes for part in (note, "")]
    write_lines(lines[:-1], out)
