"""Exact search by inner product in bounded memory: a part of the documents at a time."""

import faiss
import numpy as np

CHUNK = 65_536  # documents made float32 at a time: memory does not grow with N


def best_rows(
    queries: np.ndarray, docs: np.ndarray, k: int, among: np.ndarray | None = None
) -> np.ndarray:
    """Return int64[Q, k], the documents of the highest inner products, best first.

    queries: float32[Q, D]. docs: float[N, D], in memory or mapped. among: int64[n], the rows that
    are searched, all if None; what is returned are places among them. k is n at most.
    """
    n = len(docs) if among is None else len(among)
    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    for at in range(0, n, CHUNK):
        part = slice(at, at + CHUNK)
        index = faiss.IndexFlatIP(docs.shape[1])
        index.add(np.asarray(docs[part if among is None else among[part]], np.float32))
        scores, rows = index.search(queries, min(k, index.ntotal))
        best.add_result(scores, rows + at)
    best.finalize()
    return best.I
