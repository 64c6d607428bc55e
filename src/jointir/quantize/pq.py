"""Product quantization as plain tensors, read from and written to faiss indexes.

`PQ` is the view of an index that training needs: rotation, centroid embeddings c_{i,j} (JPQ eq. 7)
and index assignments phi_i(d) (eq. 8). The file format is faiss' own.
"""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.files import atomic

# Documents that faiss encodes at once. For sub-vectors of 16 numbers and more it first makes the
# table of all their distances to all centroids. By itself it takes 262,144 documents, whose table
# at M = 24 is 6.4 GB. A small table stays in the cache, and the codes are the same.
faiss.cvar.product_quantizer_compute_codes_bs = 256


@dataclass(frozen=True)
class PQ:
    """A product quantizer and the documents it encodes.

    rotation: float32[D, D], x -> rotation @ x comes before quantization (identity for plain PQ).
    centroids: float32[M, K, D/M]. codes: uint8[N, M], one code an entry whatever its bits.
    """

    rotation: np.ndarray
    centroids: np.ndarray
    codes: np.ndarray

    def decode(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Return the quantized documents d-dagger of eq. 8, rotated: float32[n, D]."""
        codes = self.codes[rows]
        M, _, sub = self.centroids.shape
        return self.centroids[np.arange(M), codes].reshape(len(codes), M * sub)


def read_index(path: Path) -> faiss.Index:
    """Read a faiss index.

    Raises:
        InputError: the file is no faiss index, or a damaged one.
    """
    try:
        return faiss.read_index(str(path))
    except RuntimeError as e:
        remedy = "Delete it and rerun the stage that writes it"
        raise InputError(path, f"faiss cannot read it ({str(e).splitlines()[-1]})", remedy) from e


def write_index(index: faiss.Index, out: Path) -> None:
    """Write a faiss index atomically.

    Through a file of Python's: faiss' own ignores the error of closing it, and on a full disk an
    index without its last bytes would pass for a whole one.
    """
    with atomic(out) as scratch, scratch.open("wb") as f:
        faiss.write_index(index, faiss.PyCallbackIOWriter(f.write))


def _parts(index: faiss.Index) -> tuple[faiss.VectorTransform | None, faiss.Index]:
    """Return the transform before an index, if any, and the index: views, valid while it lives."""
    outer = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return None, outer
    return faiss.downcast_VectorTransform(outer.chain.at(0)), faiss.downcast_index(outer.index)


def read_pq(path: Path, dim: int | None = None) -> PQ:
    """Read the product quantizer out of an IndexPQ, with or without a rotation before it.

    dim: the D of the encoder whose embeddings it must be of, where there is one.

    Raises:
        InputError: the index is of another kind or metric, a code has neither 4 nor 8 bits, or the
            index is not of `dim` dimensions.
    """
    owner = read_index(path)  # the parts are views into it: it must outlive them
    transform, index = _parts(owner)
    remedy = "Give an index made by `jointir build`"
    if not isinstance(index, faiss.IndexPQ) or index.pq.nbits not in (4, 8):
        raise InputError(path, f"is a {type(index).__name__}, no PQ of 4 or 8 bits", remedy)
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise InputError(path, "ranks by distance, not by inner product", remedy)
    pq = index.pq
    if dim is not None and pq.d != dim:
        found = f"has {pq.d} dimensions, the encoder {dim}"
        raise InputError(path, found, "Use the index of this encoder's embeddings")
    centroids = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)
    codes = faiss.vector_to_array(index.codes).reshape(index.ntotal, pq.code_size)
    if pq.nbits == 4:  # two codes a byte, the first in its low half
        codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(index.ntotal, -1)[:, : pq.M]
    rotation = np.eye(pq.d, dtype=np.float32)
    if transform is not None:
        rotation = faiss.vector_to_array(transform.A).reshape(transform.d_out, transform.d_in)
    return PQ(rotation, centroids, codes)


def codebook_size(index: faiss.Index) -> int:
    """Return K, the centroids of each sub-quantizer; 0 when the index is no PQ."""
    inner = _parts(index)[1]
    return inner.pq.ksub if isinstance(inner, faiss.IndexPQ) else 0


def reserve(index: faiss.Index, N: int) -> None:
    """Give the codes of N documents their place at once, in an index that holds none.

    While documents are added, a vector that grows holds itself up to three times.
    """
    inner = _parts(index)[1]
    inner.codes.resize(N * inner.code_size)  # `add` cuts its length, and keeps the place


def searchable(index: faiss.Index) -> faiss.Index:
    """Return the index laid out for the fastest exhaustive search that its codes allow.

    Codes of 4 bits go to faiss' FastScan: tables of 16 entries stay in SIMD registers (Andre et al.
    2015), their entries rounded to 8 bits. Others are searched as they are.
    """
    transform, inner = _parts(index)
    if not isinstance(inner, faiss.IndexPQ) or inner.pq.nbits != 4:
        return index
    fast = faiss.IndexPQFastScan(inner)
    if transform is None:
        return fast
    whole = faiss.IndexPreTransform(transform, fast)
    whole.referenced_objects.append(index)  # which owns the transform
    return whole


def replace_centroids(index: faiss.Index, centroids: np.ndarray) -> None:
    """Put new centroids, float32[M, K, D/M], into an index; rotation and codes stay.

    Raises:
        ValueError: their number differs from the index's.
    """
    pq = _parts(index)[1].pq
    if centroids.size != pq.centroids.size():
        raise ValueError(f"{centroids.size} centroid values, the index holds {pq.centroids.size()}")
    faiss.copy_array_to_vector(np.ascontiguousarray(centroids, np.float32).ravel(), pq.centroids)


def replace_rotation(index: faiss.Index, A: np.ndarray) -> None:
    """Put another matrix, float32[D, D], before the quantizer: queries are multiplied by it.

    Codes and centroids stay. Where A is no rotation, documents must not be added any more: they
    would be multiplied by it, too.

    Raises:
        InputError: the index has no matrix before its quantizer.
        ValueError: A is of another size.
    """
    transform, _ = _parts(index)
    if not isinstance(transform, faiss.LinearTransform):
        raise InputError("index", "has no rotation to replace", "Start from OPQ, or learn no map")
    if A.size != transform.A.size():
        raise ValueError(f"{A.size} values, the index holds {transform.A.size()}")
    faiss.copy_array_to_vector(np.ascontiguousarray(A, np.float32).ravel(), transform.A)
    transform.set_is_orthonormal()
