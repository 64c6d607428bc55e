"""What retrieval, timing and reports know of an index, whichever library made it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from jointir.basics.settings import Checked


class Searcher(ABC):
    """An index over N documents of D dimensions that ranks by inner product.

    search_parameter: what trades effectiveness for speed when searching ("efSearch", "nprobe"
    and others), or "" where there is nothing to choose.
    """

    search_parameter: ClassVar[str] = ""
    D: int
    N: int

    @classmethod
    @abstractmethod
    def build(cls, docs: np.ndarray, settings: Checked, threads: int) -> Self:
        """Return an index of float32[N, D] (perhaps a memory map of float16) documents.

        settings: of its method, which fit the documents (`check_library` in fits.py).
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `load` needs into an existing, empty folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the folder holds no index of this kind, or a damaged one.
        """

    @abstractmethod
    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scores float32[Q, k], best first, and rows int64[Q, k] for float32[Q, D].

        value: of the search parameter, ignored without one. Short answers are padded with row
        -1 and score -inf. No more than `threads` threads work.

        Raises:
            InputError: the queries' dimension is not D.
        """

    @abstractmethod
    def size(self) -> dict[str, int]:
        """Return the bytes of the index told apart: codes, codebooks, rotation, ids, other."""
