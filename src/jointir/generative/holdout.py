"""Which documents training may see. No torch: the cold-start table asks too."""

import numpy as np


def seen_documents(N: int, holdout: float, seed: int) -> np.ndarray:
    """Return int64[n], the sorted corpus rows that training may see: all but a share `holdout`."""
    order = np.random.default_rng([seed, 4]).permutation(N)
    return np.sort(order[round(N * holdout) :])
