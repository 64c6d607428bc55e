"""Files of other libraries' formats, read so that a damaged one ends with its name and a remedy.

Pickle is never loaded, whatever a file says it is: NumPy refuses it unless asked otherwise.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from jointir.basics.errors import InputError

if TYPE_CHECKING:
    import torch

REMEDY = "Delete it and rerun the stage that writes it"
# a header is a Python literal, so that NumPy's parser has Python's errors
NPY_ERRORS = (OSError, ValueError, EOFError, SyntaxError, TokenError, MemoryError, OverflowError)
NPY_ERRORS += (TypeError, RecursionError)
# what zipfile raises for members that are damaged, encrypted, or packed in a way it does not know
ZIP_ERRORS = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
ZIP_ERRORS += (ValueError, OverflowError)


def _there(path: Path) -> None:
    if not path.is_file():
        remedy = "Rerun the stage that writes it, or correct the path"
        raise InputError(path, "there is no such file", remedy)


def read_npy(path: Path, mapped: bool = False) -> np.ndarray:
    """Read a NumPy file, as a read-only memory map when `mapped`.

    Raises:
        InputError: there is none, it is damaged, holds objects, or is an archive of several arrays.
    """
    _there(path)
    try:
        found = np.load(path, mmap_mode="r" if mapped else None)
    except NPY_ERRORS as e:
        raise InputError(path, f"NumPy cannot read it ({_short(e)})", REMEDY) from e
    if not isinstance(found, np.ndarray):
        raise InputError(path, "is an archive of arrays, not one", REMEDY)
    return found


@contextmanager
def _by_pyarrow(path: Path) -> Iterator[None]:
    _there(path)
    try:
        yield
    except InputError:  # a ValueError too
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as e:
        raise InputError(path, f"pyarrow cannot read it ({_short(e)})", REMEDY) from e


def read_parquet(path: Path, columns: list[str] | None = None, only: bool = False) -> pd.DataFrame:
    """Read a parquet file.

    columns: those that it must have. only: read no others.

    Raises:
        InputError: there is none, it is damaged, or lacks one of `columns`.
    """
    with _by_pyarrow(path):
        frame = pd.read_parquet(path, columns=columns if only else None)
    return _with_columns(path, frame, columns)


def parquet_rows(path: Path) -> int:
    """Return the number of rows of a parquet file, without reading them.

    Raises:
        InputError: there is none, or it is damaged.
    """
    with _by_pyarrow(path):
        return parquet.read_metadata(path).num_rows


def parquet_batches(path: Path, columns: list[str], size: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of a parquet file, at most `size` at a time: no others are in memory.

    Raises:
        InputError: there is none, it is damaged, or lacks one of `columns`.
    """
    # a buffer would keep all that has been read until the end
    with _by_pyarrow(path), parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(size, columns=columns):
            yield _with_columns(path, batch.to_pandas(), columns)


def read_csv(path: Path, columns: list[str] | None = None, **options: object) -> pd.DataFrame:
    """Read a CSV file with pandas' `options`.

    columns: those that it must have.

    Raises:
        InputError: there is none, it is no CSV table, a value is not of its column's type, or a
            column lacks.
    """
    _there(path)
    try:
        frame = pd.read_csv(path, **options)
    except (ValueError, OverflowError) as e:  # what pandas raises derives from it, no UTF-8 too
        raise InputError(path, f"pandas cannot read it ({_short(e)})", REMEDY) from e
    return _with_columns(path, frame, columns)


def read_safetensors(path: Path) -> dict[str, "torch.Tensor"]:
    """Read the tensors of a safetensors file by name.

    Raises:
        InputError: there is none, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _there(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as e:
        raise InputError(path, f"safetensors cannot read it ({_short(e)})", REMEDY) from e


def of_types(path: Path, frame: pd.DataFrame, **kinds: str) -> pd.DataFrame:
    """Return the frame, whose columns have the types that `kinds` names: text, number or numbers.

    A "number" may be missing (NaN), "numbers" may not; "text" is a string in each row.

    Raises:
        InputError: a column has another type, or a row no value.
    """
    for name, kind in kinds.items():
        column = frame[name]
        if kind == "text":
            right = pd.api.types.infer_dtype(column) == "string" and not column.isna().any()
            right = right and _is_utf8(column)
        else:
            right = pd.api.types.is_numeric_dtype(column) and column.dtype.kind in "iuf"
            right = right and (kind == "number" or bool(np.isfinite(column).all()))
        if not right and len(column):
            raise InputError(path, f"its column {name!r} does not hold {kind} alone", REMEDY)
    return frame


def _is_utf8(column: pd.Series) -> bool:
    """Say whether all text is UTF-8: of a damaged file, pandas finds out only when it is used."""
    try:
        pa.array(column).validate(full=True)
    except (pa.ArrowException, UnicodeError):
        return False
    return True


def _with_columns(path: Path, frame: pd.DataFrame, columns: list[str] | None) -> pd.DataFrame:
    missing = [name for name in columns or [] if name not in frame]
    if missing:
        raise InputError(path, f"has no column {missing[0]!r}", REMEDY)
    return frame


def _short(error: Exception) -> str:
    """Return the first line of what a library says, cut to what a line can hold."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
