"""Identifiers given in advance, without ASI: the control rows of its table.

Random identifiers (nothing to generalize from), and residual codes of the starting encoder's
embeddings (meaning, but no end-to-end learning; as in TIGER).
"""

import numpy as np

from jointir.errors import InputError
from jointir.generative.warm import residual_codes

KINDS = ("random", "residual")
IDS = "ids.npy"  # in the model's folder: int16[N, L]


def given_ids(kind: str, docs: np.ndarray, L: int, V: int, seed: int) -> np.ndarray:
    """Return int64[N, L]: identifiers of one of KINDS.

    Raises:
        InputError: the kind is unknown.
    """
    if kind == "random":
        return np.random.default_rng([seed, 5]).integers(0, V, (len(docs), L))
    if kind == "residual":
        return residual_codes(np.asarray(docs, np.float32), L, V, seed)[0]
    raise InputError("asi.fixed", f"{kind!r} is unknown", f"Choose one of {KINDS}")
