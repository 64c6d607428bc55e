"""FALCONN: multi-probe locality-sensitive hashing with cross-polytopes (Andoni et al. 2015)."""

from dataclasses import asdict
from pathlib import Path
from typing import Self

import falconn
import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.readers import read_npy
from jointir.methods.falconn import FACTS, Settings
from jointir.search.ann.shared import check_search, each_query, lifted, read_facts, saved_bytes
from jointir.search.fits import check_library, typed
from jointir.search.searcher import Searcher

DOCUMENTS, MEAN, DESCRIPTION = "documents.npy", "mean.npy", "falconn.json"


def _parameters(
    N: int, D: int, settings: Settings, threads: int
) -> falconn.LSHConstructionParameters:
    """Return FALCONN's own recommendation for N documents but for tables and hash functions."""
    euclidean = falconn.DistanceFunction.EuclideanSquared
    parameters = falconn.get_default_parameters(N, D, euclidean, True)
    if settings.hash_functions > parameters.k:  # more bins than documents: also its advice
        parameters.storage_hash_table = falconn.StorageHashTable.LinearProbingHashTable
    parameters.k, parameters.l = settings.hash_functions, settings.tables
    parameters.seed, parameters.num_setup_threads = settings.seed, threads
    return parameters


class Falconn(Searcher):
    """FALCONN over lifted documents, so that the nearest one has the largest inner product.

    Documents and queries on one sphere, for which the hash is made (Neyshabur and Srebro 2015),
    and then centred, as FALCONN advises: hashes of documents that lie to one side say little.

    search_parameter: probes, the buckets that are looked up over all tables; one a table is the
    least.
    """

    search_parameter = FACTS.search_parameter

    def __init__(
        self,
        documents: np.ndarray,
        mean: np.ndarray,
        settings: Settings,
        threads: int = 1,
    ):
        """Hash lifted documents, float32[N, D + 1], that their mean, float32[D + 1], is taken from.

        Raises:
            InputError: there is one document alone, or there are too many hash functions.
        """
        self.documents, self.mean, self.settings = documents, mean, settings
        self.N, self.D = len(documents), documents.shape[1] - 1
        check_library("falconn", settings, self.N, self.D)
        self.radius = np.linalg.norm(documents[0] + mean)
        parameters = _parameters(self.N, self.D + 1, settings, threads)
        self.index = falconn.LSHIndex(parameters)
        try:
            self.index.setup(documents)
        except RuntimeError as e:
            found = f"{settings.hash_functions}: {str(e).rstrip('.')}"
            raise InputError("hash_functions", found, "Choose fewer") from e
        self._pool, self._threads = None, 0

    @classmethod
    def build(cls, docs: np.ndarray, settings: Settings, threads: int) -> Self:
        """See `Searcher`."""
        documents = lifted(docs)
        mean = documents.mean(axis=0, dtype=np.float64).astype(np.float32)
        documents -= mean
        return cls(documents, mean, settings, threads)

    def save(self, folder: Path) -> None:
        """Write the documents, their mean and the settings: FALCONN cannot write its tables."""
        np.save(folder / DOCUMENTS, self.documents)
        np.save(folder / MEAN, self.mean)
        write_json(folder / DESCRIPTION, {"settings": asdict(self.settings)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Searcher`. Hashes all documents again, with the same seed."""
        settings = typed("falconn", read_facts(folder / DESCRIPTION, ["settings"])["settings"])
        documents, mean = read_npy(folder / DOCUMENTS), read_npy(folder / MEAN)
        return cls(documents, mean, settings)

    def _searcher(self, threads: int, probes: int) -> falconn.Queryable:
        if threads != self._threads:  # each of its query objects remembers all N documents
            self._pool = self.index.construct_query_pool(num_query_objects=threads)
            self._threads = threads
        self._pool.set_num_probes(probes)
        return self._pool

    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Searcher`.

        Raises:
            InputError: also when there are fewer probes than tables.
        """
        queries = check_search(self, queries, value)
        if value < self.settings.tables:
            found = f"{value} for {self.settings.tables} tables"
            raise InputError("probes", found, "Probe each table once or more")
        hashed = self._on_sphere(queries)
        offsets = np.einsum("qd,d->q", queries, self.mean[:-1])
        pool = self._searcher(threads, value)

        def answer(n: int) -> tuple[np.ndarray, np.ndarray]:
            rows = np.array(pool.find_k_nearest_neighbors(hashed[n], k), np.int64)
            scores = np.einsum("kd,d->k", self.documents[rows, :-1], queries[n]) + offsets[n]
            order = np.argsort(-scores, kind="stable")  # distances and scores round differently
            return rows[order], scores[order]

        return each_query(answer, len(queries), k, threads)

    def _on_sphere(self, queries: np.ndarray) -> np.ndarray:
        """Return (q, 0) at the documents' distance from the origin, centred: float32[Q, D + 1]."""
        lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries))
        out = np.zeros((len(queries), self.D + 1), np.float32)
        out[:, :-1] = queries * (self.radius / np.maximum(lengths, 1e-30))[:, None]
        return out - self.mean

    def size(self) -> dict[str, int]:
        """See `Searcher`. "other" are the documents; tables are in memory only, and not counted."""
        parts = dict.fromkeys(("codes", "codebooks", "rotation", "ids"), 0)
        return parts | {"other": sum(saved_bytes(self).values())}
