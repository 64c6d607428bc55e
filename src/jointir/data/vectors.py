"""Vectors that came from an API: .npy or parquet, with their ids, read in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, new_matrix
from jointir.basics.readers import read_npy
from jointir.data.judged import check_ids
from jointir.data.store import numbered_lines

CHUNK = 8192  # vectors that are held at a time
LARGEST = 1e15  # of a number: squares of larger ones, summed, overflow float32
NPY, PARQUET = ".npy", ".parquet"
IDS = ("id", "_id", "doc_id", "query_id")  # names that a column of ids may have beside others
AGAIN = "Ask the API for it again, or leave it out with its id"
FLOATS = "Give a matrix of float32, float16 or float64, a row a vector"


@dataclass(frozen=True)
class Vectors:
    """N vectors of D dimensions in a file, which is read as they are asked for.

    ids: of each, str[N]; row numbers where the file has none. named: whether it has. places: the
    file that ids are in. dtype: float16 where the file has that, float32 otherwise. column: of the
    vectors in a parquet file.
    """

    path: Path
    ids: list[str]
    named: bool
    places: Path
    N: int
    D: int
    dtype: str
    column: str = ""

    def place(self, row: int) -> str:
        """Return where the id of a row is."""
        in_lines = self.named and self.places != self.path
        return f"{self.places}:{row + 1}" if in_lines else f"{self.places}, row {row}"

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all vectors in order, [n, D] of `dtype`.

        Raises:
            InputError: a vector is missing or of another dimension, or a number is not finite or
                larger than 1e15; it names the row.
        """
        at = 0
        for some in self._npy() if self.path.suffix == NPY else self._parquet():
            largest = np.abs(some).max(axis=1).astype(np.float64)  # NaN where one is
            wrong = ~(largest <= LARGEST)
            if wrong.any():
                row = int(wrong.argmax())
                found = f"row {at + row} holds a number of size {largest[row]:g}"
                raise InputError(self.path, found, AGAIN)
            yield some.astype(self.dtype, copy=False)
            at += len(some)

    def _npy(self) -> Iterator[np.ndarray]:
        matrix = read_npy(self.path, mapped=True)
        for at in range(0, self.N, CHUNK):
            yield np.asarray(matrix[at : at + CHUNK])

    def _parquet(self) -> Iterator[np.ndarray]:
        at = 0
        with parquet.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(CHUNK, columns=[self.column]):
                lists = batch.column(0)
                lengths = [self.D if n is None else n for n in _lengths(lists)]
                if wrong := [i for i, n in enumerate(lengths) if n != self.D]:
                    found = (
                        f"row {at + wrong[0]} has {lengths[wrong[0]]} dimensions, row 0 {self.D}"
                    )
                    raise InputError(self.path, found, "Keep the vectors of one model")
                if lists.null_count:
                    row = at + int(np.argmax(lists.is_null().to_numpy(zero_copy_only=False)))
                    raise InputError(self.path, f"row {row} has no vector", AGAIN)
                flat = lists.flatten().to_numpy(zero_copy_only=False)  # null is NaN
                yield flat.reshape(len(lists), self.D)
                at += len(lists)


class _Places:
    """Where each id is, looked up only when it is told."""

    def __init__(self, vectors: Vectors):
        self._vectors = vectors

    def __getitem__(self, row: int) -> str:
        return self._vectors.place(row)


def _lengths(lists: pa.Array) -> list[int | None]:
    return pa.compute.list_value_length(lists).to_pylist()


def open_vectors(path: Path) -> Vectors:
    """Return the vectors of a .npy or parquet file; only their ids and their shape are read.

    The ids of NAME.npy are in NAME.ids.txt beside it, one a line; those of a parquet file in its
    column id, _id, doc_id or query_id, or in its one column of text or integers.

    Raises:
        InputError: the file is of another kind, or damaged; it holds no vector; there are more or
            fewer ids than vectors, or an id twice.
    """
    if path.suffix not in (NPY, PARQUET):
        raise InputError(path, f"ends in {path.suffix!r}", f"Give a {NPY} or a {PARQUET} file")
    found = _open_npy(path) if path.suffix == NPY else _open_parquet(path)
    if len(found.ids) != found.N:
        what = f"holds {len(found.ids)} ids, {path.name} {found.N} vectors"
        raise InputError(found.places, what, "Give each vector one id, in the same order")
    ids = pd.Series(found.ids, dtype=object)
    check_ids("the id", ids, _Places(found))
    if (twice := ids.duplicated()).any():
        row = int(twice.argmax())
        first = int(ids.eq(ids[row]).argmax())
        what = f"the id {ids[row]!r} was given before ({found.place(first)})"
        raise InputError(found.place(row), what, "Make the ids unique")
    return found


def _open_npy(path: Path) -> Vectors:
    matrix = read_npy(path, mapped=True)
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(path, f"has the shape {matrix.shape}", FLOATS)
    if matrix.dtype.kind != "f":
        raise InputError(path, f"holds numbers of type {matrix.dtype}", FLOATS)
    N, D = matrix.shape
    beside = path.with_suffix(".ids.txt")
    named = beside.is_file()
    ids = _lines(beside) if named else list(map(str, range(N)))
    dtype = "float16" if matrix.dtype == np.float16 else "float32"
    return Vectors(path, ids, named, beside if named else path, N, D, dtype)


def _lines(path: Path) -> list[str]:
    """Return the lines of a file of ids.

    Raises:
        InputError: a line between them is blank.
    """
    ids = []
    for where, line in numbered_lines(path):
        ids.append(line)
        if int(where.rpartition(":")[2]) != len(ids):
            raise InputError(f"{path}:{len(ids)}", "the line is blank", "Write one id a line")
    return ids


def _open_parquet(path: Path) -> Vectors:
    if not path.is_file():
        raise InputError(path, "there is no such file", "Put it there or correct the path")
    try:
        with parquet.ParquetFile(path) as file:
            schema, N = file.schema_arrow, file.metadata.num_rows
            column, id_column = _columns(path, schema)
            first = next(file.iter_batches(1, columns=[column]), None) if N else None
        ids = parquet.read_table(path, columns=[id_column])[id_column] if id_column else None
    except (pa.ArrowException, OSError) as e:
        short = str(e).splitlines()[0][:120]
        raise InputError(path, f"pyarrow cannot read it ({short})", "Write it again") from e
    D = _lengths(first.column(0))[0] if first is not None else 0
    if not D:
        raise InputError(path, f"{column!r} holds no vector in row 0", FLOATS)
    if ids is not None and ids.null_count:
        row = ids.to_pylist().index(None)
        raise InputError(path, f"{id_column!r} has no value in row {row}", "Give each row an id")
    names = list(map(str, range(N) if ids is None else ids.to_pylist()))
    half = schema.field(column).type.value_type == pa.float16()
    dtype = "float16" if half else "float32"
    return Vectors(path, names, ids is not None, path, N, D, dtype, column)


def _columns(path: Path, schema: pa.Schema) -> tuple[str, str]:
    """Return the columns of vectors and of ids, "" where there are no ids."""
    t = pa.types
    lists = [
        f.name
        for f in schema
        if (t.is_list(f.type) or t.is_large_list(f.type) or t.is_fixed_size_list(f.type))
        and t.is_floating(f.type.value_type)
    ]
    if len(lists) != 1:
        found = f"has {len(lists)} columns of lists of floats, of {', '.join(schema.names)[:120]}"
        raise InputError(path, found, "Keep one, of the vectors")
    text = [
        f.name
        for f in schema
        if t.is_string(f.type) or t.is_large_string(f.type) or t.is_integer(f.type)
    ]
    named = [name for name in IDS if name in text] or text
    if len(named) > 1:
        found = f"has {len(named)} columns that may be ids: {', '.join(named)[:120]}"
        raise InputError(path, found, "Name one of them id, and none other of " + ", ".join(IDS))
    return lists[0], (named or [""])[0]


def write_matrix(vectors: Vectors, out: Path) -> None:
    """Write the vectors as one .npy of [N, D], checked as they pass by.

    Raises:
        InputError: as for `Vectors.chunks`.
    """
    with atomic(out) as scratch:
        matrix = new_matrix(scratch, vectors.dtype, (vectors.N, vectors.D))
        at = 0
        for some in vectors.chunks():
            matrix[at : at + len(some)] = some
            at += len(some)
        matrix.flush()


def write_rows(source: np.ndarray, rows: np.ndarray, out: Path) -> None:
    """Write the rows int64[n] of a matrix [N, D] as an .npy."""
    with atomic(out) as scratch:
        matrix = new_matrix(scratch, str(source.dtype), (len(rows), source.shape[1]))
        for at in range(0, len(rows), CHUNK):
            matrix[at : at + CHUNK] = source[rows[at : at + CHUNK]]
        matrix.flush()
