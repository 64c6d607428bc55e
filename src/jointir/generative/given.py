"""Identifiers that nobody learns: functions of the starting encoder's embeddings, or of nothing."""

import numpy as np
import torch

from jointir.errors import InputError
from jointir.generative.indexers import make_indexer
from jointir.generative.warm import residual_codes
from jointir.quantize.clusters import k_means

KINDS = ("random", "residual", "product", "tree")


def given_ids(kind: str, e: np.ndarray, L: int, V: int, seed: int) -> np.ndarray:
    """Return identifiers int64[N, L] of one of KINDS for embeddings float32[N, D].

    random: nothing to generalize from. residual: residual quantization, as TIGER's. product:
    product quantization, as Ultron-PQ's. tree: hierarchical k-means, as DSI's.

    Raises:
        InputError: the kind is unknown, L does not divide D for `product`, V is no power of two for
            `residual`, or there is no room for all documents in the `tree`.
    """
    if kind == "random":
        return np.random.default_rng([seed, 5]).integers(0, V, (len(e), L))
    if kind == "residual":
        return residual_codes(e, L, V, seed)[0]
    if kind == "product":
        indexer, x = make_indexer("pq", e.shape[1], L, V), torch.from_numpy(e)
        indexer.start(x, seed)
        return indexer.ids(x).numpy()
    if kind == "tree":
        return tree_ids(torch.from_numpy(e), L, V, seed)
    raise InputError("asi.given", f"{kind!r} is unknown", f"Choose one of {KINDS}")


def tree_ids(e: torch.Tensor, L: int, V: int, seed: int) -> np.ndarray:
    """Return int64[N, L]: k-means into V clusters, each of which is divided likewise.

    DSI (Tay et al. 2022, section 3.2), with V for its 10 clusters and V for its at most 100
    documents of a leaf, which are numbered. Positions behind a leaf's are 0. At the last position
    documents are numbered too: a cluster there that has more than V is cut into more clusters.

    Raises:
        InputError: more than V^L documents.
    """
    if len(e) > V**L:
        found = f"{len(e)} documents for {V}^{L} identifiers"
        raise InputError("asi.length", found, "Choose a longer one, or a larger vocabulary")
    ids = np.zeros((len(e), L), np.int64)
    todo = [(np.arange(len(e)), 0)]
    while todo:
        rows, i = todo.pop()
        if len(rows) <= V:
            ids[rows, i] = np.arange(len(rows))
            continue
        part = _divided(e[rows], V, V ** (L - 1 - i), seed)
        ids[rows, i] = part
        todo += [(rows[part == v], i + 1) for v in np.unique(part)]
    return ids


def _divided(e: torch.Tensor, V: int, most: int, seed: int) -> np.ndarray:
    """Return the cluster int64[n] of each of float[n, D]; none has more than `most`.

    What is too much for a cluster goes to the nearest that has room, the farthest documents first.
    """
    apart = torch.cdist(e, k_means(e, V, seed))
    order = apart.argsort(1).numpy()
    part, count = order[:, 0].copy(), np.bincount(order[:, 0], minlength=V)
    for v in np.flatnonzero(count > most):
        own = np.flatnonzero(part == v)
        far = own[np.argsort(-apart[own, v].numpy(), kind="stable")][: count[v] - most]
        for row in far:
            free = next(u for u in order[row] if count[u] < most)
            part[row] = free
            count[free] += 1
            count[v] -= 1
    return part
