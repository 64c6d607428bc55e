"""The build stage: train an index on a sample of the corpus, then add every document."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import faiss
import numpy as np

from jointir.basics.progress import heartbeat, progress, say
from jointir.basics.settings import Checked
from jointir.encode.matrix import read_matrix
from jointir.methods import known
from jointir.quantize.fit import reconstruction_error, train
from jointir.quantize.pq import codebook_size, reserve, write_index
from jointir.search.fits import check
from jointir.search.index import new_index

CHUNK = 65_536  # rows made float32 at a time: memory does not grow with N


def sample_rows(matrix: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return float32[size, D] rows drawn with `seed`, in their order; all when 0 or too many."""
    if 0 < size < len(matrix):
        rows = np.random.default_rng(seed).choice(len(matrix), size, replace=False)
        matrix = matrix[np.sort(rows)]
    return np.asarray(matrix, np.float32)


def build(method: str, docs: Path, out: Path, settings: Checked) -> None:
    """Build an index over the embeddings `docs`, float[N, D], and write it to `out`.

    method: one of `known.fitted()`. settings: its own.

    Raises:
        InputError: an M that does not fit, fewer documents than K centroids or, to learn a
            rotation, than dimensions, or documents that nothing could rank.
    """
    told = asdict(settings)
    M, sample, seed = (told.get(name, 0) for name in ("M", "sample", "seed"))
    matrix = read_matrix(docs)
    N, D = matrix.shape
    index = new_index(method, D, settings)
    check(method, told, N, D, docs)
    K = codebook_size(index)
    # what needs no training must not cost a copy of the whole matrix
    some = matrix[:0] if index.is_trained else sample_rows(matrix, sample, seed)
    if not index.is_trained:
        with heartbeat(f"{method} M={M}: training on {len(some)} documents"):
            train(index, some)
    reserve(index, len(matrix))
    for at in progress(range(0, len(matrix), CHUNK), f"{method} add", unit="chunks"):
        index.add(np.asarray(matrix[at : at + CHUNK], np.float32))
    if K:
        error = reconstruction_error(index, some[:10_000])
        say(f"{method} M={M}: reconstruction error {error:.5f}")
    write_index(faiss.downcast_index(index), out)


def stage(method: str) -> Callable[..., None]:
    """Return the stage `jointir METHOD` of a method whose index is fitted after training."""
    kind = known.settings(method)

    def fitted(docs: Path, out: Path, settings: kind) -> None:
        build(method, docs, out, settings)

    fitted.__doc__ = f"{known.module(method).new.__doc__}\n\nIt is fitted, and gets all documents."
    return fitted
