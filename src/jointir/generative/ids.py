"""Identifiers on disk: tables with a column for each position. No torch: reports read them too."""

from pathlib import Path

import numpy as np
import pandas as pd


def columns(L: int) -> list[str]:
    """Return the names of an identifier's positions: id_1 to id_L."""
    return [f"id_{i}" for i in range(1, L + 1)]


def read_ids(path: Path) -> tuple[list[str], np.ndarray]:
    """Return doc_ids and int64[N, L] of what `assign_ids` wrote."""
    frame = pd.read_parquet(path)
    return frame["doc_id"].tolist(), tokens(frame)


def tokens(frame: pd.DataFrame) -> np.ndarray:
    """Return int64[n, L], the positions of each row's identifier."""
    return frame.filter(regex=r"^id_\d+$").to_numpy(np.int64)


def keys(frame: pd.DataFrame) -> list[str]:
    """Return each row's identifier as text: "12-200-3-77"."""
    return ["-".join(map(str, row)) for row in tokens(frame).tolist()]
