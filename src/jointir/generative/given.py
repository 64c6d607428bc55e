"""Identifiers that nobody learns: functions of the starting encoder's embeddings, or of nothing."""

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.generative.indexers import make_indexer
from jointir.generative.warm import residual_codes
from jointir.quantize.clusters import k_means

KINDS = ("random", "residual", "product", "tree", "digits", "atomic")  # beside names.py


def given_ids(kind: str, e: np.ndarray, L: int, V: int, seed: int, clusters: int = 0) -> np.ndarray:
    """Return identifiers int64[N, L] of one of KINDS for embeddings float32[N, D].

    random: nothing to generalize from. residual: residual quantization, as TIGER's. product:
    product quantization, as Ultron-PQ's. tree: hierarchical k-means, as DSI's. digits: arbitrary
    numbers, all different, as DSI's naive strings. atomic: one token for each document.

    L, V: of `digits`, V is the base, and with L = 0 numbers are as long as the longest has to be;
    `atomic` has L = 1 and V = N, whatever they are. clusters: of `tree`; 0: V.

    Raises:
        InputError: the kind is unknown, L does not divide D for `product`, V is no power of two for
            `residual`, or there is no room for all documents in the `tree`, or among `digits`.
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
        return tree_ids(torch.from_numpy(e), L, V, seed, clusters or V)
    if kind == "digits":
        return digit_ids(len(e), L, V, seed)
    if kind == "atomic":
        return np.arange(len(e))[:, None]
    raise InputError("asi.given", f"{kind!r} is unknown", f"Choose one of {(*KINDS, 'name')}")


def digit_ids(N: int, L: int, base: int, seed: int) -> np.ndarray:
    """Return int64[N, L], the digits of the numbers below N in random order, highest first.

    DSI's naively structured string identifiers (Tay et al. 2022, section 3.2) are such numbers in
    decimal digits. L: 0 for as many as N - 1 has.

    Raises:
        InputError: N numbers have more than L digits.
    """
    needed = 1
    while base**needed < N:
        needed += 1
    if 0 < L < needed:
        found = f"{N} documents for {base}^{L} identifiers"
        raise InputError("asi.length", found, "Choose a longer one, or a larger vocabulary")
    numbers = np.random.default_rng([seed, 9]).permutation(N)
    powers = base ** np.arange((L or needed) - 1, -1, -1)
    return numbers[:, None] // powers % base


def tree_ids(e: torch.Tensor, L: int, V: int, seed: int, clusters: int) -> np.ndarray:
    """Return int64[N, L]: k-means into k clusters, each of which is divided likewise.

    DSI (Tay et al. 2022, section 3.2): clusters k = 10, and a leaf of at most V = 100 documents,
    which are numbered. Positions behind a leaf's are 0. At the last position documents are numbered
    too: a cluster there that has more than V is cut into more clusters.

    Raises:
        InputError: more than k^(L - 1) V documents, or k is above V.
    """
    k = clusters
    if k > V:
        found = f"{k} clusters, but {V} tokens a position"
        raise InputError("asi.clusters", found, "Choose fewer, or a larger vocabulary")
    if len(e) > k ** (L - 1) * V:
        room = f"{V}^{L}" if k == V else f"{k}^{L - 1} x {V}"
        found = f"{len(e)} documents for {room} identifiers"
        raise InputError("asi.length", found, "Choose a longer one, or a larger vocabulary")
    ids = np.zeros((len(e), L), np.int64)
    todo = [(np.arange(len(e)), 0)]
    while todo:
        rows, i = todo.pop()
        if len(rows) <= V:
            ids[rows, i] = np.arange(len(rows))
            continue
        part = _divided(e[rows], k, k ** (L - 2 - i) * V, seed)
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
