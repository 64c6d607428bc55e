"""The registry: one factory a method, each giving an untrained faiss index."""

from collections.abc import Callable

import faiss

from jointir.errors import InputError
from jointir.quantize.fit import opq, pq
from jointir.quantize.shape import BITS
from jointir.search.fits import check_bits, check_width

# of D, M, iterations and bits of a code; M: sub-quantizers, or for LSH bytes a document
Factory = Callable[[int, int, int, int], faiss.Index]


def itq_lsh(D: int, M: int) -> faiss.Index:
    """Signs of 8M dimensions rotated by iterative quantization (Gong et al. 2012)."""
    transform = faiss.ITQTransform(D, 8 * M, 8 * M < D)
    return faiss.IndexPreTransform(transform, faiss.IndexLSH(8 * M, 8 * M, False))


FACTORIES: dict[str, Factory] = {
    "brute-force": lambda D, M, iterations, bits: faiss.IndexFlatIP(D),
    "pq": lambda D, M, iterations, bits: pq(D, M),
    "opq": opq,
    # signs of 8M random projections, ranked by Hamming distance (Indyk and Motwani 1998)
    "lsh": lambda D, M, iterations, bits: faiss.IndexLSH(D, 8 * M),
    "itq-lsh": lambda D, M, iterations, bits: itq_lsh(D, M),
}


def new_index(system: str, D: int, M: int, iterations: int, bits: int = BITS) -> faiss.Index:
    """Return an untrained index of `M` sub-quantizers, or for LSH of `M` bytes a document.

    system: the method. bits: of a code of OPQ, K = 2^bits.

    Raises:
        InputError: the method is unknown, or has no codes of so many bits, or M does not fit D.
    """
    if system not in FACTORIES:
        raise InputError("system", f"{system!r} is unknown", f"Choose one of {sorted(FACTORIES)}")
    check_width(system, M, D)
    check_bits(system, bits)
    return FACTORIES[system](D, M, iterations, bits)


def index_bytes(index: faiss.Index) -> dict[str, int]:
    """Return the bytes of codes, codebooks, rotation and ids, told apart; of inverted lists,
    their centroids too, as "other".

    Ids take none where the n-th code is the n-th document of the corpus, 8 each in inverted lists.
    """
    parts = {"codes": 0, "codebooks": 0, "rotation": 0, "ids": 0}
    inner = faiss.downcast_index(index)  # a view: `index` keeps the memory, so it stays bound
    if isinstance(inner, faiss.IndexPreTransform):
        chain = (inner.chain.at(i) for i in range(inner.chain.size()))
        parts["rotation"] += sum(_transform_bytes(t) for t in chain)
        inner = faiss.downcast_index(inner.index)
    if isinstance(inner, faiss.IndexLSH) and inner.rotate_data:
        parts["rotation"] += 4 * inner.rrot.A.size()
    if isinstance(inner, (faiss.IndexPQ, faiss.IndexPQFastScan, faiss.IndexIVFPQ)):
        parts["codebooks"] = 4 * inner.pq.centroids.size()
    if isinstance(inner, faiss.IndexIVFPQ):
        parts |= {"codes": inner.ntotal * inner.code_size, "ids": 8 * inner.ntotal}
        parts["other"] = 4 * inner.nlist * inner.d
    else:
        parts["codes"] = inner.codes.size()
    return parts


def _transform_bytes(transform: faiss.VectorTransform) -> int:
    transform = faiss.downcast_VectorTransform(transform)
    if isinstance(transform, faiss.ITQTransform):
        transform = transform.pca_then_itq
    return 4 * (transform.A.size() + transform.b.size())
