"""The build stage: train an index on a sample of the corpus, then add every document."""

from pathlib import Path

import faiss
import numpy as np

from jointir.encode.matrix import read_matrix
from jointir.methods.opq import Settings
from jointir.progress import heartbeat, progress, say
from jointir.quantize.fit import reconstruction_error, train
from jointir.quantize.pq import codebook_size, reserve, write_index
from jointir.search.fits import check
from jointir.search.index import new_index

DEFAULT = Settings()
CHUNK = 65_536  # rows made float32 at a time: memory does not grow with N


def sample_rows(matrix: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return float32[size, D] rows drawn with `seed`, in their order; all when 0 or too many."""
    if 0 < size < len(matrix):
        rows = np.random.default_rng(seed).choice(len(matrix), size, replace=False)
        matrix = matrix[np.sort(rows)]
    return np.asarray(matrix, np.float32)


def build(system: str, docs: Path, out: Path, settings: Settings = DEFAULT) -> None:
    """Build `system` over the embeddings `docs`, float[N, D], and write it to `out`.

    system: the method. settings: of OPQ; other methods have some of them, and leave the rest alone.

    Raises:
        InputError: an unknown method, an M that does not fit, fewer documents than K centroids or,
            to learn a rotation, than dimensions, or documents that nothing could rank.
    """
    M, sample = settings.M, settings.sample
    matrix = read_matrix(docs)
    N, D = matrix.shape
    index = new_index(system, D, M, settings.iterations, settings.bits)
    check(system, {"M": M, "sample": sample, "bits": settings.bits}, N, D, docs)
    K = codebook_size(index)
    # what needs no training must not cost a copy of the whole matrix
    some = matrix[:0] if index.is_trained else sample_rows(matrix, sample, settings.seed)
    if not index.is_trained:
        with heartbeat(f"{system} M={M}: training on {len(some)} documents"):
            train(index, some)
    reserve(index, len(matrix))
    for at in progress(range(0, len(matrix), CHUNK), f"{system} add", unit="chunks"):
        index.add(np.asarray(matrix[at : at + CHUNK], np.float32))
    if K:
        error = reconstruction_error(index, some[:10_000])
        say(f"{system} M={M}: reconstruction error {error:.5f}")
    write_index(faiss.downcast_index(index), out)
