"""Untrained indexes of the methods that are fitted after training, and the bytes of any index."""

import faiss

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked
from jointir.methods import known
from jointir.search.fits import check_width


def new_index(method: str, D: int, settings: Checked) -> faiss.Index:
    """Return an untrained index for embeddings of D dimensions.

    settings: the method's own. M: sub-quantizers, or for LSH bytes a document.

    Raises:
        InputError: the method is unknown, or not fitted after training, or M does not fit D.
    """
    if method not in known.fitted():
        raise InputError("method", f"{method!r} is unknown", f"Choose one of {known.fitted()}")
    check_width(method, getattr(settings, "M", 0), D)
    return known.module(method).new(D, settings)


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
