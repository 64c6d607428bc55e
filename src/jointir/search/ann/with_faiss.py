"""Indexes of faiss: an inverted multi-index, HNSW, HNSW over OPQ, and any index file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

import faiss
import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.progress import say
from jointir.basics.settings import Checked
from jointir.methods import hnsw, hnsw_opq, imi
from jointir.quantize.fit import BITS, train
from jointir.quantize.pq import read_index, searchable, write_index
from jointir.search.ann.shared import CHUNK, REBUILD, check_search
from jointir.search.build import sample_rows
from jointir.search.index import index_bytes
from jointir.search.searcher import Searcher

FILE = "index.faiss"
LIST_BYTES = 160  # of memory that faiss takes for a list, an empty one too
PER_CENTROID = 256  # documents a centroid that faiss' k-means uses at most


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Let faiss and its BLAS use `threads` threads in the block."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


class FaissSearcher(Searcher):
    """Any faiss index. What is built is exhaustive search, unless a subclass says otherwise.

    KIND: of the index in a folder.
    """

    KIND: ClassVar[type[faiss.Index]] = faiss.IndexFlatIP

    def __init__(self, index: faiss.Index):
        """Take an index; one that ranks by distance gets scores that are negative distances."""
        self.index = faiss.downcast_index(index)
        self.owner = index  # others are views into it
        self.inner = self.index
        if isinstance(self.index, faiss.IndexPreTransform):
            self.inner = faiss.downcast_index(self.index.index)
        if isinstance(self.inner, faiss.IndexHNSW):
            self.search_parameter = "efSearch"
        elif isinstance(self.inner, faiss.IndexIVF):
            self.search_parameter = "nprobe"
        self.D, self.N = self.index.d, self.index.ntotal

    @classmethod
    def trained(cls, docs: np.ndarray, settings: Checked) -> faiss.Index:
        """Return an index that is ready for the documents, none of them added."""
        return faiss.IndexFlatIP(docs.shape[1])

    @classmethod
    def build(cls, docs: np.ndarray, settings: Checked, threads: int) -> Self:
        """See `Searcher`."""
        with limited(threads):
            index = cls.trained(docs, settings)
            for at in range(0, len(docs), CHUNK):
                index.add(np.asarray(docs[at : at + CHUNK], np.float32))
        return cls(index)

    def save(self, folder: Path) -> None:
        """Write index.faiss."""
        write_index(self.index, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Searcher`."""
        searcher = cls(read_index(folder / FILE))
        inner = searcher.inner
        if not isinstance(inner, cls.KIND) or inner.metric_type != faiss.METRIC_INNER_PRODUCT:
            found = f"is a {type(inner).__name__} of metric {inner.metric_type}"
            raise InputError(folder / FILE, found, REBUILD)
        return searcher

    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Searcher`."""
        queries = check_search(self, queries, value)
        if self.search_parameter == "efSearch":
            self.inner.hnsw.efSearch = value
        elif self.search_parameter == "nprobe":
            self.inner.nprobe = value
        with limited(threads):
            scores, rows = self.found(queries, k)
        if self.index.metric_type != faiss.METRIC_INNER_PRODUCT:
            scores = -scores  # a distance: smaller is better
        scores[rows < 0] = -np.inf
        return scores, rows

    def found(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what faiss finds, its search parameter being set."""
        return self.index.search(queries, k)

    def size(self) -> dict[str, int]:
        """See `Searcher`. Links of a graph, and centroids and lengths of lists, are "other"."""
        parts = dict.fromkeys(("codes", "codebooks", "rotation", "ids", "other"), 0)
        if isinstance(self.inner, faiss.IndexHNSW):
            flat = faiss.downcast_index(self.inner.storage)
            if self.inner is not self.index:
                flat = faiss.IndexPreTransform(self.index.chain.at(0), flat)
            parts |= index_bytes(flat)
        elif isinstance(self.inner, faiss.IndexIVFFlat):
            parts |= {"codes": self.N * self.inner.code_size, "ids": 8 * self.N}
        else:
            return parts | index_bytes(self.index)
        return parts | {"other": _file_bytes(self.index) - sum(parts.values())}


def _file_bytes(index: faiss.Index) -> int:
    written: list[int] = []
    faiss.write_index(index, faiss.PyCallbackIOWriter(lambda some: written.append(len(some))))
    return sum(written)


def open_faiss(path: Path) -> FaissSearcher:
    """Open any faiss index file, laid out for the fastest search that its codes allow.

    Raises:
        InputError: it is none, or damaged.
    """
    return FaissSearcher(searchable(read_index(path)))


class IMI(FaissSearcher):
    """An inverted multi-index (Babenko and Lempitsky 2012): 2^bits x 2^bits lists of documents.

    Documents are whole in their lists, chosen by the L2 distance to each half's centroid. Every
    list takes 160 bytes of memory, an empty one too: 2.7 GB for 12 bits.
    """

    search_parameter = imi.FACTS.search_parameter
    KIND = faiss.IndexIVFFlat

    @classmethod
    def trained(cls, docs: np.ndarray, settings: imi.Settings) -> faiss.Index:
        """Return it with 2 x 2^bits centroids, trained on a sample when N is large."""
        D, K = docs.shape[1], 2**settings.bits
        some = sample_rows(docs, PER_CENTROID * K, settings.seed)
        say(f"imi: {K * K} lists, {LIST_BYTES * K * K / 1e9:.1f} GB of memory before any document")
        quantizer = faiss.MultiIndexQuantizer(D, 2, settings.bits)
        quantizer.pq.cp.seed = settings.seed
        index = faiss.IndexIVFFlat(quantizer, D, K * K, faiss.METRIC_INNER_PRODUCT)
        index.quantizer_trains_alone = 1
        train(index, some)
        return index

    def found(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best documents of the `nprobe` nearest lists, each list once.

        faiss names a list twice where rounding makes two sums of distances equal, and its search
        would then return the documents in it twice. Asked for more lists than there are, its
        quantizer ends the process.
        """
        self.index.nprobe = min(self.index.nprobe, self.index.nlist)
        distances, lists = self.index.quantizer.search(queries, self.index.nprobe)
        return self.index.search_preassigned(queries, k, once(lists), distances)


def once(lists: np.ndarray) -> np.ndarray:
    """Return int64[Q, n] with -1, which faiss passes over, where a row repeats an entry."""
    order = np.argsort(lists, axis=1, kind="stable")
    ordered = np.take_along_axis(lists, order, 1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -1
    found = np.empty_like(lists)
    np.put_along_axis(found, order, ordered, 1)
    return found


class HNSW(FaissSearcher):
    """A hierarchical navigable small world graph (Malkov and Yashunin 2020) of whole documents."""

    search_parameter = hnsw.FACTS.search_parameter
    KIND = faiss.IndexHNSWFlat

    @classmethod
    def trained(cls, docs: np.ndarray, settings: hnsw.Settings) -> faiss.Index:
        """Return an empty graph."""
        index = faiss.IndexHNSWFlat(docs.shape[1], settings.links, faiss.METRIC_INNER_PRODUCT)
        _prepare(index, settings)
        return index


class HNSWOPQ(FaissSearcher):
    """The same graph over documents that a rotation and PQ of M bytes compress."""

    search_parameter = hnsw_opq.FACTS.search_parameter
    KIND = faiss.IndexHNSWPQ

    @classmethod
    def trained(cls, docs: np.ndarray, settings: hnsw_opq.Settings) -> faiss.Index:
        """Return an empty graph behind a trained rotation and quantizer."""
        D, M = docs.shape[1], settings.M
        some = sample_rows(docs, settings.sample, settings.seed)
        graph = faiss.IndexHNSWPQ(D, M, settings.links, BITS, faiss.METRIC_INNER_PRODUCT)
        _prepare(graph, settings)
        rotation = faiss.OPQMatrix(D, M)
        rotation.niter = settings.iterations
        index = faiss.IndexPreTransform(rotation, graph)
        train(index, some)
        _compare_by_inner_product(faiss.downcast_index(graph.storage).pq)
        return index


def _prepare(graph: faiss.IndexHNSW, settings: hnsw.Settings) -> None:
    graph.hnsw.efConstruction = settings.ef_construction
    graph.hnsw.rng = faiss.RandomGenerator(settings.seed)


def _compare_by_inner_product(pq: faiss.ProductQuantizer) -> None:
    """Let the graph compare two codes as it compares a code with a query.

    faiss fills the table of centroid pairs with L2 distances whatever the metric, and then takes
    them for similarities: it keeps the wrong links, and most documents are never reached.
    """
    centroids = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)
    table = np.einsum("mid,mjd->mij", centroids, centroids)
    faiss.copy_array_to_vector(table.ravel(), pq.sdc_table)
