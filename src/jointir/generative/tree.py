"""Which identifiers exist: the tokens that may follow a prefix, and the documents of each."""

from typing import TypeVar

import numpy as np
import torch

Ids = TypeVar("Ids", np.ndarray, torch.Tensor)


def prefix_keys(prefixes: Ids, V: int) -> Ids:
    """Return a number for each of int[B, t], of tokens in [0, V), by which equal ones are equal."""
    keys = prefixes[:, :0].sum(1)
    for i in range(prefixes.shape[1]):
        keys = keys * V + prefixes[:, i]
    return keys


def continuations(
    level: torch.Tensor, prefixes: torch.Tensor, V: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what continues each of int64[B, t] to one of `level`, the sorted keys of t + 1 tokens.

    As int64[n] each: its row in `prefixes`, its place in `level`, and its last token.
    """
    keys = prefix_keys(prefixes, V) * V
    # of each prefix, what continues it stands together: two searches in place of V
    begin, end = torch.searchsorted(level, torch.stack([keys, keys + V]))
    count = end - begin
    rows = torch.repeat_interleave(count)
    before = (count.cumsum(0) - count)[rows]
    at = begin[rows] + torch.arange(len(rows), device=rows.device) - before
    return rows, at, level[at] - keys[rows]


class PrefixTree:
    """The prefixes of a set of identifiers, as one sorted array of numbers for each length."""

    def __init__(self, ids: np.ndarray, V: int):
        """ids: int[n, L], each token in [0, V); duplicates are fine."""
        if V ** ids.shape[1] >= 2**63:
            raise ValueError(f"{ids.shape[1]} positions of {V} tokens do not fit 63 bits")
        self.V = V
        lengths = range(1, ids.shape[1] + 1)
        self.levels = [torch.from_numpy(np.unique(prefix_keys(ids[:, :t], V))) for t in lengths]

    def allowed(self, prefixes: torch.Tensor) -> torch.Tensor:
        """Return bool[B, V]: the tokens that continue each of int64[B, t] to an existing prefix."""
        level = self.levels[prefixes.shape[1]]
        rows, _, tokens = continuations(level, prefixes.cpu(), self.V)
        allowed = torch.zeros(len(prefixes), self.V, dtype=torch.bool)
        allowed[rows, tokens] = True
        return allowed.to(prefixes.device)


class Holders:
    """The documents of each identifier."""

    def __init__(self, ids: np.ndarray, V: int):
        """ids: int[N, L], each token in [0, V)."""
        self.V = V
        keys = prefix_keys(ids, V)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def of(self, found: np.ndarray) -> list[np.ndarray]:
        """Return the rows of the documents that have each of int64[k, L], in their own order."""
        keys = prefix_keys(found, self.V)
        begins, ends = (np.searchsorted(self._keys, keys, side) for side in ("left", "right"))
        return [self._order[a:b] for a, b in zip(begins, ends, strict=True)]
