"""Fit PQ and OPQ with faiss: the unsupervised start of joint training, and its baselines."""

import faiss
import numpy as np

from jointir.quantize.shape import BITS, check_divides

MULTIPLIED_FROM = 800  # numbers in the vectors whose distances are found by a matrix product


def pq(D: int, M: int, bits: int = BITS) -> faiss.IndexPQ:
    """Product quantization of the embeddings as they are (Jegou et al. 2010): D/M a sub-vector.

    Raises:
        InputError: M does not divide D.
    """
    check_divides(D, M)
    return faiss.IndexPQ(D, M, bits, faiss.METRIC_INNER_PRODUCT)


def opq(D: int, M: int, iterations: int, bits: int = BITS) -> faiss.IndexPreTransform:
    """A learned rotation, then PQ of K = 2^bits centroids (Ge et al. 2013).

    iterations: alternations between rotation and codebooks; faiss' own default is 50.

    Raises:
        InputError: M does not divide D.
    """
    quantizer = pq(D, M, bits)
    rotation = faiss.OPQMatrix(D, M)
    rotation.niter = iterations
    index = faiss.IndexPreTransform(rotation, quantizer)
    if bits != BITS:  # faiss alternates with a quantizer of 8 bits unless it is given another
        rotation.pq = alternate = faiss.ProductQuantizer(D, M, bits)
        index.referenced_objects.append(alternate)  # the rotation does not own it
    return index


def train(index: faiss.Index | faiss.VectorTransform, rows: np.ndarray) -> None:
    """Train an index or a rotation on float32[n, D].

    Here faiss finds distances by matrix products wherever they are faster for one thread. By itself
    it does so from 128,000 numbers on, measured for many threads (facebookresearch/faiss#5109), so
    that k-means over the short sub-vectors of PQ takes up to 17 times as long.
    """
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = MULTIPLIED_FROM
    try:
        index.train(rows)
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def reconstruction_error(index: faiss.Index, some: np.ndarray) -> float:
    """Return the mean of |d - d-dagger|^2 (JPQ eq. 9) over float32[n, D]."""
    return float(((some - index.sa_decode(index.sa_encode(some))) ** 2).sum(axis=1).mean())
