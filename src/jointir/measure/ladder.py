"""Synthetic documents, and indexes of them, as large as one wants: the rungs of `scale`.

What a PQ holds after training does not change how fast it is searched, so no encoder and no joint
training is needed: documents are clustered random vectors of length 1, `SAMPLE` of them train the
centroids. Only times, bytes and memory mean something here, not what is found.
"""

import time
from collections.abc import Callable, Iterator

import faiss
import numpy as np

from jointir.basics.progress import progress
from jointir.quantize.fit import BITS, pq, train

CLUSTERS = 1000
SAMPLE = 16_384
CHUNK = 65_536  # rows generated at a time
CENTRES, DOCUMENTS, TRAINING, QUERIES = range(4)  # of the vectors: each has draws of its own


def vectors(n: int, D: int, seed: int, kind: int) -> Iterator[np.ndarray]:
    """Yield n clustered vectors of length 1, float32[at most CHUNK, D] at a time.

    kind: DOCUMENTS, TRAINING or QUERIES, around the same centres by noise about as long as these.
    """
    centres = np.random.default_rng([seed, D, CENTRES]).standard_normal((CLUSTERS, D), np.float32)
    for at in range(0, n, CHUNK):
        size = min(CHUNK, n - at)
        rng = np.random.default_rng([seed, D, kind, at])
        rows = centres[rng.integers(0, CLUSTERS, size)]
        rows += rng.standard_normal((size, D), np.float32)
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _lists(N: int) -> int:
    """Return the power of two nearest to sqrt(N), the number of inverted lists."""
    return 2 ** round(np.log2(N) / 2)


def _ivf(D: int, M: int, N: int) -> faiss.IndexIVFPQ:
    coarse = faiss.IndexFlatIP(D)
    index = faiss.IndexIVFPQ(coarse, D, _lists(N), M, BITS, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False  # as `jointir ivf` makes it: scores are those of the flat index
    index.cp.min_points_per_centroid = 1  # the sample is fixed: no warning
    return index


# of D, M bytes a document, and N
SYSTEMS: dict[str, Callable[[int, int, int], faiss.Index]] = {
    "brute-force": lambda D, M, N: faiss.IndexFlatIP(D),
    "jpq": lambda D, M, N: pq(D, M),
    "jpq-4bit": lambda D, M, N: faiss.IndexPQFastScan(D, 2 * M, 4, faiss.METRIC_INNER_PRODUCT),
    "ivf-jpq": _ivf,
}


def new_index(system: str, D: int, M: int, N: int, seed: int) -> faiss.Index:
    """Return an untrained index; before all but brute force comes a rotation, as OPQ has it."""
    index = SYSTEMS[system](D, M, N)
    if system == "brute-force":
        return index
    rotation = faiss.RandomRotationMatrix(D, D)
    rotation.init(seed)
    return faiss.IndexPreTransform(rotation, index)


def grow(system: str, N: int, D: int, M: int, seed: int) -> tuple[faiss.Index, float, float]:
    """Return an index of N synthetic documents, and the seconds to train it and to add them.

    Making the documents is not in the seconds. At most CHUNK of them are held beside the index.
    """
    index = new_index(system, D, M, N, seed)
    (sample,) = vectors(SAMPLE, D, seed, TRAINING)
    begin = time.perf_counter()
    train(index, sample)
    train_s, add_s = time.perf_counter() - begin, 0.0
    chunks, documents = -(-N // CHUNK), vectors(N, D, seed, DOCUMENTS)
    for some in progress(documents, f"{system} N={N} D={D}", chunks, "chunks"):
        begin = time.perf_counter()
        index.add(some)
        add_s += time.perf_counter() - begin
    return index, train_s, add_s
