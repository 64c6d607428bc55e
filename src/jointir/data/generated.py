"""Generated queries on disk: what the `expand` stage wrote for each document, and kept."""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import of_types, read_parquet

COLUMNS = ["doc_id", "text", "rank"]


def write_generated(out: Path, queries: pd.DataFrame) -> None:
    """Write the columns doc_id, text and rank as parquet."""
    with atomic(out) as scratch:
        queries[COLUMNS].to_parquet(scratch, index=False)


def read_generated(path: Path) -> pd.DataFrame:
    """Return doc_id, text and rank: the place of the document among those found for the query.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    return of_types(path, read_parquet(path, COLUMNS), doc_id="text", text="text", rank="numbers")


def generated_rows(path: Path, doc_ids: pd.Series) -> pd.DataFrame:
    """Return what `read_generated` does, with the column row: that of each document in the corpus.

    Raises:
        InputError: a document is none of the corpus.
    """
    queries, row = read_generated(path), pd.Series(range(len(doc_ids)), index=doc_ids)
    unknown = ~queries["doc_id"].isin(row.index)
    if unknown.any():
        found = f"has queries of {queries['doc_id'][unknown].iloc[0]!r}, which is no document here"
        raise InputError(path, found, "Rerun `jointir expand` for this collection")
    return queries.assign(row=row[queries["doc_id"]].to_numpy())


def expanded(texts: list[str], doc_ids: pd.Series, path: Path) -> list[str]:
    """Return the documents' texts with the generated queries of each behind it.

    As docT5query does it (Nogueira and Lin 2019).

    Raises:
        InputError: as `generated_rows`.
    """
    found = list(texts)
    for row, text in generated_rows(path, doc_ids)[["row", "text"]].itertuples(index=False):
        found[row] += f" {text}"
    return found
