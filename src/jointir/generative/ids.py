"""Identifiers on disk: tables with a column for each position. No torch: reports read them too."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.files import atomic
from jointir.basics.readers import of_types, read_parquet


def columns(L: int) -> list[str]:
    """Return the names of an identifier's positions: id_1 to id_L."""
    return [f"id_{i}" for i in range(1, L + 1)]


def read_ids(path: Path) -> tuple[list[str], np.ndarray]:
    """Return doc_ids and int64[N, L] of what `write_ids` wrote.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    frame = read_parquet(path, ["doc_id"])
    names = [name for name in frame if name.startswith("id_")]
    of_types(path, frame, doc_id="text", **dict.fromkeys(names, "numbers"))
    return frame["doc_id"].tolist(), tokens(frame)


def write_ids(out: Path, doc_ids: pd.Series, ids: np.ndarray) -> None:
    """Write doc_id and the tokens id_1 ... id_L of int[N, L], each in [0, V), as parquet."""
    frame = pd.DataFrame(small(ids), columns=columns(ids.shape[1]))
    frame.insert(0, "doc_id", doc_ids.to_numpy())
    with atomic(out) as scratch:
        frame.to_parquet(scratch, index=False)


def small(ids: np.ndarray) -> np.ndarray:
    """Return the tokens as int16, or as int32 where one does not fit: with as many as documents."""
    fits = ids.max(initial=0) <= np.iinfo(np.int16).max
    return ids.astype(np.int16 if fits else np.int32)


def tokens(frame: pd.DataFrame) -> np.ndarray:
    """Return int64[n, L], the positions of each row's identifier."""
    return frame.filter(regex=r"^id_\d+$").to_numpy(np.int64)


def keys(frame: pd.DataFrame) -> list[str]:
    """Return each row's identifier as text: "12-200-3-77"."""
    return ["-".join(map(str, row)) for row in tokens(frame).tolist()]
