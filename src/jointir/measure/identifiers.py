"""How identifiers use their space: what ASI++ calls the balance of the indexing space."""

import numpy as np


def id_statistics(ids: np.ndarray, V: int) -> dict[str, float]:
    """Return how int64[N, L] identifiers use the space of V^L.

    Entropy is in bits, of each position's tokens over all documents; perplexity is 2 to its power,
    V at most. "alone" is the share of documents whose identifier is no other's.
    """
    N, L = ids.shape
    _, counts = np.unique(ids, axis=0, return_counts=True)
    found = {
        "unique ids": float(len(counts)),
        "documents an id, mean": N / len(counts),
        "documents an id, max": float(counts.max()),
        "alone": float((counts == 1).sum() / N),
        "empty share": 1 - len(counts) / float(V) ** L,
    }
    for i in range(L):
        p = np.bincount(ids[:, i], minlength=V) / N
        entropy = float(-(p[p > 0] * np.log2(p[p > 0])).sum())
        found |= {f"entropy {i + 1}": entropy, f"perplexity {i + 1}": 2**entropy}
    return found
