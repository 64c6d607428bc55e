"""A test collection whose documents pass by: checked, and written as `store` reads it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from jointir.data.store import CHUNK_ROWS, CORPUS, QUERIES, SPLITS, read_doc_ids
from jointir.errors import InputError
from jointir.files import atomic

EMPTY = "Add at least one record"


@dataclass(frozen=True)
class Dataset:
    """A test collection. Ids are the dataset's own strings.

    corpus: frames that together have one row a document, columns doc_id, title, text; read once,
        so that they need not be in memory together.
    queries: columns query_id, text, split.
    qrels: columns query_id, doc_id, relevance (an integer; above 0 is relevant), split.
    """

    corpus: Iterable[pd.DataFrame]
    queries: pd.DataFrame
    qrels: pd.DataFrame


def text_frames(rows: Iterable[tuple[str, ...]], columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yield `rows` as frames of strings: at most CHUNK_ROWS rows are held as Python objects."""
    rows = iter(rows)
    schema = pa.schema([(name, pa.large_string()) for name in columns])
    while chunk := list(islice(rows, CHUNK_ROWS)):
        arrays = [pa.array(values, pa.large_string()) for values in zip(*chunk, strict=True)]
        yield pa.Table.from_arrays(arrays, schema=schema).to_pandas()


def text_frame(rows: Iterable[tuple[str, ...]], columns: list[str]) -> pd.DataFrame:
    """Return `rows` as one frame of strings."""
    frames = list(text_frames(rows, columns))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _check_ids(where: Path | str, kind: str, ids: pd.Series) -> None:
    # str.split knows all the white space that would break a line of a run or qrels file
    bad = ids[ids.map(lambda i: i.split() != [i]).astype(bool)]
    if len(bad):
        found = f"{kind} {bad.iloc[0]!r} is empty or holds white space (row {bad.index[0]})"
        raise InputError(where, found, "Give every record an id that fits in a TREC file")


def _check_unique(where: Path | str, kind: str, ids: pd.Series) -> None:
    twice = ids[ids.duplicated()]
    if len(twice):
        found = f"{kind} {twice.iloc[0]!r} appears twice (row {twice.index[0]})"
        raise InputError(where, found, "Make the ids unique")


def _blank(text: pd.Series) -> pd.Series:
    return text.eq("") | text.str.isspace()


def _check_text(where: Path | str, kind: str, ids: pd.Series, blank: pd.Series) -> None:
    if blank.any():
        found = f"{kind} {ids[blank].iloc[0]!r} has no text"
        raise InputError(where, found, "Remove it or give it text")


def _check_values(where: Path | str, frame: pd.DataFrame) -> None:
    for column in frame.columns:
        missing = frame.index[frame[column].isna()]
        if len(missing):
            found = f"{column} has no value in row {missing[0]}"
            raise InputError(where, found, "Fill it, a title with empty text")


def _check_documents(where: Path | str, frame: pd.DataFrame) -> None:
    _check_values(where, frame)
    _check_ids(where, "doc_id", frame["doc_id"])
    blank = _blank(frame["title"]) & _blank(frame["text"])
    _check_text(where, "doc_id", frame["doc_id"], blank)


def _check_queries(where: Path | str, queries: pd.DataFrame, qrels: pd.DataFrame) -> None:
    if queries.empty:
        raise InputError(where, "there is no query_id", EMPTY)
    _check_values(where, queries)
    _check_values(where, qrels)
    _check_ids(where, "query_id", queries["query_id"])
    _check_unique(where, "query_id", queries["query_id"])
    _check_text(where, "query_id", queries["query_id"], _blank(queries["text"]))


def _check_known(where: Path | str, kind: str, unknown: set[str]) -> None:
    if unknown:
        found = f"a judgement names {kind} {min(unknown)!r}, which does not exist"
        raise InputError(where, found, "Remove the judgement or add what it names")


def _check_qrels(where: Path | str, data: Dataset) -> None:
    qrels = data.qrels
    _check_known(where, "query_id", set(qrels["query_id"]).difference(data.queries["query_id"]))
    twice = qrels[qrels.duplicated(["query_id", "doc_id"])]
    if len(twice):
        pair = (twice["query_id"].iloc[0], twice["doc_id"].iloc[0])
        raise InputError(where, f"the pair {pair} is judged twice", "Keep one judgement")
    home = qrels["query_id"].map(data.queries.set_index("query_id")["split"])
    astray = qrels[qrels["split"].ne(home)]
    if len(astray):
        query_id, split = astray["query_id"].iloc[0], astray["split"].iloc[0]
        found = f"query {query_id!r} is judged in split {split!r} but belongs to another"
        raise InputError(where, found, "Keep a query and its judgements in one split")


def _check_splits(where: Path | str, data: Dataset) -> None:
    for split in sorted(set(data.queries["split"])):
        if split not in SPLITS:
            raise InputError(where, f"split {split!r} is unknown", f"Use one of {SPLITS}")
        if not (data.qrels["split"].eq(split) & data.qrels["relevance"].gt(0)).any():
            found = f"split {split!r} has no relevant document"
            raise InputError(where, found, "Add judgements above 0 or drop the split")


def _written(frames: Iterable[pd.DataFrame], out: Path, where: Path | str) -> Iterator[pd.Series]:
    """Check and write each frame, then yield its doc_id; rows are counted over all frames."""
    writer, N = None, 0
    try:
        for frame in frames:
            frame = frame[CORPUS].set_axis(range(N, N + len(frame)))
            _check_documents(where, frame)
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or ParquetWriter(out, table.schema)
            writer.write_table(table)
            N += len(frame)
            yield frame["doc_id"]
    finally:
        if writer:
            writer.close()


def _write_corpus(data: Dataset, out: Path, where: Path | str) -> None:
    """Check and write the documents. In memory: a frame of them, and 8 bytes of each."""
    unknown, hashes = set(data.qrels["doc_id"]), [np.empty(0, np.uint64)]
    for ids in _written(data.corpus, out, where):
        unknown.difference_update(ids)
        hashes.append(pd.util.hash_pandas_object(ids, index=False).to_numpy())
    numbers = np.concatenate(hashes)
    if numbers.size == 0:
        raise InputError(where, "there is no doc_id", EMPTY)
    if np.unique(numbers).size < numbers.size:  # equal ids, or once in a very long while not
        _check_unique(where, "doc_id", read_doc_ids(out.parent))
    _check_known(where, "doc_id", unknown)


def write_dataset(data: Dataset, out: Path, where: Path | str) -> None:
    """Check all that later stages rely on, and write `data` to the folder `out`.

    Memory does not grow with the documents, but for 8 bytes each.

    Raises:
        InputError: no document or no query, a missing value, a duplicate or empty id, an empty
            text, a judgement for an unknown document or query or in another split than its query,
            a pair judged twice, an unknown split, or a split without a relevant document. It names
            `where`, the source; nothing is written.
    """
    _check_queries(where, data.queries, data.qrels)
    with atomic(out) as scratch:
        (scratch / "qrels").mkdir(parents=True)
        _write_corpus(data, scratch / "corpus.parquet", where)
        _check_qrels(where, data)
        _check_splits(where, data)
        data.queries[QUERIES].to_parquet(scratch / "queries.parquet", index=False)
        for split, rows in data.qrels.groupby("split"):
            lines = (
                f"{q} 0 {d} {r}\n"
                for q, d, r in zip(rows["query_id"], rows["doc_id"], rows["relevance"], strict=True)
            )
            (scratch / "qrels" / f"{split}.trec").write_text("".join(lines), encoding="utf-8")
