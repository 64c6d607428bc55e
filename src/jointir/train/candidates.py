"""The documents that a training may take its negatives from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Candidates:
    """The documents that negatives are mined from, among a corpus of N.

    rows: int64[n], ascending.
    """

    rows: np.ndarray
    N: int

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Return where corpus rows, int64[...], are among the candidates, -1 where they are not."""
        at = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
        return np.where(self.rows[at] == rows, at, -1)

    def corpus(self, places: np.ndarray) -> np.ndarray:
        """Return the corpus rows of candidates, int64[...]; -1 stays -1."""
        return np.where(places < 0, -1, self.rows[places])

    def left(self, never: np.ndarray) -> int:
        """Return how many candidates are not among the rows `never`, which holds none twice."""
        return len(self.rows) - int((self.places(never) >= 0).sum())
