"""Table 1 of ASI++ (Liu et al. 2024) from this project's runs, with bytes and milliseconds."""

from pathlib import Path

import pandas as pd

from jointir.errors import InputError
from jointir.measure.results import read_meta
from jointir.readers import read_parquet
from jointir.report import asi_paper
from jointir.report.asi_tables import (
    HYBRID,
    MEASURES,
    NOTE,
    cell,
    corpus,
    effectiveness,
    pick,
    read_asi,
)
from jointir.report.formats import Page, write_lines
from jointir.report.styles import in_order, label

HEADER = ["system", "reading, decoding", "R@1", "R@5", "R@10", "MRR@10"]
HEADER += ["model MB", "index MB", "ms a query", asi_paper.TITLE]
NUMBERS = {  # of the identifiers, and with how many digits
    "unique ids": 0,
    "documents an id, mean": 2,
    "documents an id, max": 0,
    "alone": 3,
    "empty share": 8,
    "documents a query": 1,
    "parameters": 0,
}
COSTS = (
    "*model*: the weights that answer a query: the encoder, and of generative retrieval indexing "
    "module and decoder too. *index*: the identifiers, a byte a token, two where there are more "
    "than 256; of *hybrid* the documents' embeddings too. *ms a query*: of generative retrieval, "
    "query encoder included, in batches of 64."
)
FAMILY = (
    "*DSI, DynamicRetriever, NCI, Ultron*: STAR's encoder, frozen, stands in for T5 or BERT, "
    "embeddings of documents and a sentence of each for their tokens, embeddings that move towards "
    "queries for generated queries, and a softmax or vectors of prefixes for T5's decoder: "
    "docs/reproduction.md."
)
ALONE = (
    "*alone*: the share of documents whose identifier no other document has. *documents a query*: "
    "those of the identifiers that free decoding wrote, 1,000 at most: the paper's D/Q."
)


def baselines(measures: list[Path], meta: list[Path], encoder: Path | None) -> list[list[str]]:
    """Return rows of systems that rank documents.

    measures: files of `measure`, {system}/{split}.parquet. meta: the JSON of each one's run.
    encoder: the folder of the dense systems' encoder.
    """
    body = []
    for path, about in zip(measures, meta, strict=True):
        values = read_parquet(path, ["measure", "value"]).groupby("measure")["value"].mean()
        shown = [f"{values[m]:.3f}" for m in MEASURES]
        facts, name = read_meta(about), label(path.parent.name)
        model = weights(encoder) if facts["dim"] and encoder else None
        costs = ["-" if model is None else _mb(model), _mb(sum(facts["bytes"].values())), "-"]
        kind = asi_paper.DOCUMENTS
        body.append([name, kind, *shown, *costs, asi_paper.cell(name, kind)])
    return body


def weights(encoder: Path) -> int:
    """Return the bytes of an encoder's weights.

    Raises:
        InputError: the folder holds none.
    """
    files = sorted(encoder.rglob("*.safetensors"))
    if not files:
        raise InputError(encoder, "holds no weights (*.safetensors)", "Name an encoder's folder")
    return sum(path.stat().st_size for path in files)


def _mb(size: float) -> str:
    return f"{size / 1e6:,.2f}"


def generative(rows: pd.DataFrame, systems: list[str]) -> list[list[str]]:
    """Return a row for each system, reading and decoding."""
    body = []
    for system, decoding, kind, cells in effectiveness(rows, systems):
        model, ids, docs = (
            pick(rows, system, f"{part} bytes", decoding).mean()
            for part in ("model", "identifiers", "embeddings")
        )
        costs = [_mb(model), _mb(ids + docs), cell(pick(rows, system, "ms a query", decoding), 1)]
        body.append([label(system), kind, *cells, *costs, asi_paper.cell(label(system), kind)])
    return body


def use_of_space(rows: pd.DataFrame, systems: list[str]) -> Page:
    """Return the table of what each model's identifiers are like."""
    body = [
        [label(s), *(cell(pick(rows, s, name), digits) for name, digits in NUMBERS.items())]
        for s in systems
    ]
    return Page("## The identifiers", ["system", *NUMBERS], body)


def entropies(rows: pd.DataFrame, systems: list[str]) -> Page:
    """Return the table of how evenly each position's tokens are used."""
    measured = rows["measure"].unique()
    positions = [i for i in range(1, 1 + len(measured)) if f"entropy {i}" in measured]
    body = [[label(s), *(_entropy(rows, s, i) for i in positions)] for s in systems]
    heading = "## Entropy in bits (perplexity) of each position"
    return Page(heading, ["system", *map(str, positions)], body)


def _entropy(rows: pd.DataFrame, system: str, position: int) -> str:
    bits = cell(pick(rows, system, f"entropy {position}"), 2)
    return f"{bits} ({pick(rows, system, f'perplexity {position}').mean():.0f})"


def asi_table1(
    results: Path,
    out: Path,
    baseline: list[Path] | None = None,
    meta: list[Path] | None = None,
    encoder: Path | None = None,
) -> None:
    """Write effectiveness with its costs, and how each model uses the space of identifiers.

    baseline: files of `measure` on test, each in a folder named after its system; meta: the JSON of
    each one's run; encoder: the folder of the encoder of those that are dense.

    Raises:
        InputError: the lists are not of one length, or `encoder` holds no weights.
    """
    if len(baseline or []) != len(meta or []):
        found = f"{len(baseline or [])} baselines, {len(meta or [])} meta files"
        raise InputError("asi-table1", found, "Name the two files of each baseline")
    rows = read_asi(results)
    systems = [s for s in in_order(rows["system"]) if not s.endswith("unseen")]
    body = baselines(baseline or [], meta or [], encoder) + generative(rows, systems)
    body += asi_paper.others({row[0] for row in body}, len(HEADER))
    note = NOTE.format(corpus=corpus(rows), seeds=rows["seed"].nunique())
    lines = [*Page("# ASI and ASI++", HEADER, body).lines(2), note, "", HYBRID, "", COSTS, ""]
    lines += [FAMILY, "", asi_paper.NOTE, "", *use_of_space(rows, systems).lines(1), ALONE, ""]
    write_lines([*lines, *entropies(rows, systems).lines(1)[:-1]], out)
