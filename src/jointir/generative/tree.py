"""Which tokens may follow a prefix, so that a decoder only ever writes identifiers that exist."""

import numpy as np
import torch


class PrefixTree:
    """The prefixes of a set of identifiers, as one sorted array of numbers for each length."""

    def __init__(self, ids: np.ndarray, V: int):
        """ids: int[n, L], each token in [0, V); duplicates are fine."""
        if V ** ids.shape[1] >= 2**63:
            raise ValueError(f"{ids.shape[1]} positions of {V} tokens do not fit 63 bits")
        self.V = V
        keys = np.zeros(len(ids), np.int64)
        self.levels: list[torch.Tensor] = []
        for i in range(ids.shape[1]):
            keys = keys * V + ids[:, i]
            self.levels.append(torch.from_numpy(np.unique(keys)))

    def allowed(self, prefixes: torch.Tensor) -> torch.Tensor:
        """Return bool[B, V]: the tokens that continue each of int64[B, t] to an existing prefix."""
        keys = torch.zeros(len(prefixes), dtype=torch.long)
        for i in range(prefixes.shape[1]):
            keys = keys * self.V + prefixes[:, i].cpu()
        level, first = self.levels[prefixes.shape[1]], keys * self.V
        # of each prefix, what continues it stands together: two searches in place of V
        begin = torch.searchsorted(level, first)
        count = torch.searchsorted(level, first + self.V) - begin
        rows = torch.arange(len(keys)).repeat_interleave(count)
        before = (count.cumsum(0) - count)[rows]
        at = begin[rows] + torch.arange(len(rows)) - before
        allowed = torch.zeros(len(keys), self.V, dtype=torch.bool)
        allowed[rows, level[at] - first[rows]] = True
        return allowed.to(prefixes.device)
