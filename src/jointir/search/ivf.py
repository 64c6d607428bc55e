"""The `ivf` stage: a trained PQ index in inverted lists, for search that is not exhaustive."""

from pathlib import Path

import faiss
import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.progress import progress, say
from jointir.methods.ivf_jpq import Settings
from jointir.quantize.fit import BITS
from jointir.quantize.pq import PQ, read_pq, write_index
from jointir.search.build import CHUNK, sample_rows
from jointir.search.fits import check_lists


def coarse_quantizer(pq: PQ, nlist: int, iterations: int, seed: int) -> faiss.IndexFlatIP:
    """Return `nlist` centroids of length 1, by spherical k-means over the decoded documents.

    Decoded: lists are to split what is searched, and the embeddings are not needed again. 256
    documents a list are enough (faiss' own limit), so memory does not grow with N.
    """
    rows = np.arange(len(pq.codes))[:, None]
    chosen = sample_rows(rows, 256 * nlist, seed).astype(np.int64).ravel()
    some = pq.decode(chosen)
    options = {"niter": iterations, "seed": seed, "spherical": True, "verbose": False}
    kmeans = faiss.Kmeans(some.shape[1], nlist, **options)
    kmeans.train(some)
    centroids = faiss.IndexFlatIP(some.shape[1])
    centroids.add(kmeans.centroids)
    return centroids


def in_lists(pq: PQ, quantizer: faiss.IndexFlatIP) -> faiss.IndexPreTransform:
    """Return the same codes and centroids, each document in the list of its nearest centroid.

    Scores stay those of the flat index: codes are of whole documents, not of residuals.
    """
    M, _, sub = pq.centroids.shape
    D = M * sub
    ivf = faiss.IndexIVFPQ(quantizer, D, quantizer.ntotal, M, BITS, faiss.METRIC_INNER_PRODUCT)
    ivf.by_residual = False
    faiss.copy_array_to_vector(pq.centroids.ravel(), ivf.pq.centroids)
    ivf.is_trained = True
    rotation = faiss.LinearTransform(D, D, False)
    faiss.copy_array_to_vector(pq.rotation.ravel(), rotation.A)
    rotation.is_orthonormal = rotation.is_trained = True
    for at in progress(range(0, len(pq.codes), CHUNK), "ivf", unit="chunks"):
        rows = np.arange(at, min(at + CHUNK, len(pq.codes)))
        _, nearest = quantizer.search(pq.decode(rows), 1)  # int64[n, 1]
        _add(ivf, nearest.ravel(), rows, pq.codes[rows])
    ivf.ntotal = len(pq.codes)
    whole = faiss.IndexPreTransform(rotation, ivf)
    whole.ntotal = ivf.ntotal
    return whole


def _add(ivf: faiss.IndexIVFPQ, nearest: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> None:
    """Put codes, as they are, into their lists: `add` would quantize the documents again."""
    order = np.argsort(nearest, kind="stable")
    lists, starts = np.unique(nearest[order], return_index=True)
    for at, own in zip(lists, np.split(order, starts[1:]), strict=True):
        ids, own_codes = np.ascontiguousarray(rows[own]), np.ascontiguousarray(codes[own])
        pointers = faiss.swig_ptr(ids), faiss.swig_ptr(own_codes)
        ivf.invlists.add_entries(int(at), len(own), *pointers)


def ivf(index: Path, out: Path, settings: Settings) -> None:
    """Write the PQ of `index` as a faiss IVFPQ with inverted lists, its codes unchanged.

    Search visits the lists of the `nprobe` nearest centroids (faiss' default is 1).

    Raises:
        InputError: the index is no PQ of 8 bits, or holds fewer documents than lists.
    """
    pq = read_pq(index)
    if pq.centroids.shape[1] != 2**BITS:
        raise InputError(index, "its codes have 4 bits", "Give an index of 8-bit codes")
    nlist = settings.nlist
    check_lists(nlist, len(pq.codes))
    whole = in_lists(pq, coarse_quantizer(pq, nlist, settings.iterations, settings.seed))
    say(f"{nlist} lists of {len(pq.codes)} documents")
    write_index(whole, out)
