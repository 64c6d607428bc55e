"""FLANN: randomized k-d trees, searched best first in all trees at once (Muja and Lowe 2014)."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from ctypes import byref, c_float, c_int, c_long
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pyflann import FLANNParameters, flann

from jointir.basics.errors import InputError
from jointir.basics.readers import read_npy
from jointir.methods.flann import FACTS, Settings
from jointir.search.ann.shared import REBUILD, check_search, lifted, saved_bytes
from jointir.search.searcher import Searcher

DOCUMENTS, TREES = "documents.npy", "trees.flann"
KD_TREES = 1  # the number of this algorithm in FLANN


class Parameters(FLANNParameters):
    """FLANN 1.7's parameters at their full length.

    Those of pyflann end 16 bytes too early: the library would read its seed from the memory behind
    them, and so build other trees each time.
    """

    _fields_: ClassVar = [("verbosity", c_int), ("seed", c_long)]


class Flann(Searcher):
    """FLANN's k-d trees over lifted documents, so that the nearest has the largest inner product.

    Not its autotuning: that goes by the clock, and so gives another index on each machine.

    search_parameter: checks, the documents that are compared, over all trees.
    """

    search_parameter = FACTS.search_parameter

    def __init__(self, documents: np.ndarray, index: int):
        """Take lifted documents, float32[N, D + 1], and FLANN's pointer to an index of them."""
        self.documents, self.index = documents, index
        self.N, self.D = len(documents), documents.shape[1] - 1
        self.square = float(np.einsum("d,d->", documents[0], documents[0]))  # the same of all
        weakref.finalize(self, flann.free_index[np.float32], index, byref(Parameters()))

    @classmethod
    def build(cls, docs: np.ndarray, settings: Settings, threads: int) -> Self:
        """See `Searcher`. One thread works."""
        documents = lifted(docs)
        parameters = Parameters()
        parameters.algorithm, parameters.trees = KD_TREES, settings.trees
        parameters.seed = settings.seed + 1  # it takes 0 for none
        speedup = byref(c_float())  # of autotuning
        index = flann.build_index[np.float32](
            documents, *documents.shape, speedup, byref(parameters)
        )
        return cls(documents, index)

    def save(self, folder: Path) -> None:
        """Write the documents, which FLANN needs beside its trees, and the trees."""
        np.save(folder / DOCUMENTS, self.documents)
        flann.save_index[np.float32](self.index, str(folder / TREES).encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Searcher`."""
        documents, path = read_npy(folder / DOCUMENTS), folder / TREES
        if not path.is_file():  # FLANN would not notice
            raise InputError(path, "there is no such file", REBUILD)
        index = flann.load_index[np.float32](str(path).encode(), documents, *documents.shape)
        if index is None:
            raise InputError(path, "FLANN cannot read it", REBUILD)
        return cls(documents, index)

    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Searcher`. Each thread answers its share of the queries."""
        queries = check_search(self, queries, value)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)

        def answer(n: np.ndarray) -> None:
            found, distances = self._nearest(queries[n], min(k, self.N), value)
            squares = np.einsum("qd,qd->q", queries[n], queries[n])[:, None]
            rows[n, : self.N] = found
            scores[n, : self.N] = (squares + self.square - distances) / 2

        if threads == 1:
            answer(np.arange(len(queries)))
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(answer, np.array_split(np.arange(len(queries)), threads)))
        return scores, rows

    def _nearest(self, queries: np.ndarray, k: int, checks: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows int32[Q, k] and squared distances float32[Q, k], nearest first."""
        lifted_queries = np.zeros((len(queries), self.D + 1), np.float32)
        lifted_queries[:, :-1] = queries
        rows = np.empty((len(queries), k), np.int32)
        distances = np.empty((len(queries), k), np.float32)
        parameters = Parameters()
        parameters.checks = checks
        flann.find_nearest_neighbors_index[np.float32](
            self.index, lifted_queries, len(queries), rows, distances, k, byref(parameters)
        )
        return rows, distances

    def size(self) -> dict[str, int]:
        """See `Searcher`. Documents and trees are "other"."""
        parts = dict.fromkeys(("codes", "codebooks", "rotation", "ids"), 0)
        return parts | {"other": sum(saved_bytes(self).values())}
