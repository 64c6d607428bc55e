"""The documents of any source, checked as they pass by and written as `store` reads them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import parquet_batches
from jointir.data.judged import blank, check_ids, check_values
from jointir.data.oddities import EMPTY, SAME_DOCUMENT, Oddities
from jointir.data.store import CHUNK_ROWS, CORPUS


@dataclass
class Documents:
    """What is known of the documents once they have passed by.

    known: those of the ids asked about that are in the corpus. empty: of these, the ones without
    text.
    """

    known: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)


def _write(frames: Iterable[pd.DataFrame], out: Path) -> Iterator[pd.DataFrame]:
    """Write each frame, then yield it."""
    writer = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or ParquetWriter(out, table.schema)
            writer.write_table(table)
            yield frame
    finally:
        if writer:
            writer.close()


def _checked(corpus: Iterable[pd.DataFrame], place: Callable[[int], str]) -> Iterator[pd.DataFrame]:
    """Yield the frames, their rows numbered over all of them."""
    N = 0
    for frame in corpus:
        frame = frame[CORPUS].set_axis(range(N, N + len(frame)))
        places = _Places(place)
        check_values(frame, places)
        check_ids("doc_id", frame["doc_id"], places)
        N += len(frame)
        yield frame


class _Places:
    """Where each row of the corpus is in its source, looked up only when it is told."""

    def __init__(self, place: Callable[[int], str]):
        self._place = place

    def __getitem__(self, row: int) -> str:
        return self._place(row)


def write_documents(
    corpus: Iterable[pd.DataFrame],
    folder: Path,
    where: object,
    place: Callable[[int], str],
    wanted: set[str],
    oddities: Oddities,
) -> Documents:
    """Check the documents and write corpus.parquet. In memory: one frame, and 8 bytes of each.

    place: returns where in its source a row is. wanted: ids that the result tells about.

    Raises:
        InputError: there is no document, a value is missing, an id does not fit into a TREC file,
            or is given to two documents.
    """
    about, hashes, empties = Documents(), [], []
    out = folder / "corpus.parquet"
    for frame in _write(_checked(corpus, place), out):
        ids, empty = frame["doc_id"], blank(frame["title"]) & blank(frame["text"])
        about.known |= wanted.intersection(ids)
        about.empty |= wanted.intersection(ids[empty])
        empties.append(np.flatnonzero(empty) + frame.index[0])
        hashes.append(pd.util.hash_pandas_object(ids, index=False).to_numpy())
    if not hashes:
        raise InputError(where, "there is no doc_id", "Add at least one record")
    if len(rows := np.concatenate(empties)):
        oddities.add(EMPTY, place(int(rows[0])), len(rows))
    numbers = np.sort(np.concatenate(hashes))
    doubled = np.unique(numbers[1:][numbers[1:] == numbers[:-1]])
    if doubled.size:  # equal ids, or once in a very long while not
        _leave_out_doubles(out, doubled, place, oddities)
    return about


def _leave_out_doubles(
    out: Path, doubled: np.ndarray, place: Callable[[int], str], oddities: Oddities
) -> None:
    """Write the file again without the documents that repeat one before them.

    doubled: uint64, the hashes that several ids have.
    """
    left_out: list[int] = []
    with atomic(out) as scratch:
        frames = parquet_batches(out, CORPUS, CHUNK_ROWS)
        for _ in _write(_first_only(frames, doubled, place, left_out), scratch):
            pass
    if left_out:
        oddities.add(SAME_DOCUMENT, place(left_out[0]), len(left_out))


def _first_only(
    frames: Iterable[pd.DataFrame],
    doubled: np.ndarray,
    place: Callable[[int], str],
    left_out: list[int],
) -> Iterator[pd.DataFrame]:
    """Yield the frames without the rows that repeat one before them; add those to `left_out`."""
    seen: dict[str, tuple[int, list[str]]] = {}
    begin = 0
    for frame in frames:
        frame = frame.set_axis(range(begin, begin + len(frame)))
        begin += len(frame)
        hashes = pd.util.hash_pandas_object(frame["doc_id"], index=False).to_numpy()
        again = []
        for row, doc_id, *text in frame[np.isin(hashes, doubled)].itertuples():
            first, before = seen.setdefault(doc_id, (row, text))
            if before != text:
                found = f"doc_id {doc_id!r} appears twice, with another text"
                found += f" (first in {place(first)})"
                raise InputError(place(row), found, "Make the ids unique")
            if first != row:
                again.append(row)
        left_out += again
        yield frame.drop(index=again)
