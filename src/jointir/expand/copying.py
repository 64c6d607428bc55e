"""The pointer-generator's vocabulary: words that are written, and words that are copied.

See et al. 2017, "Get To The Point: Summarization with Pointer-Generator Networks", section 2.2.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import torch

EOS, OTHER = 0, 1  # places of the end, and of a token that can be neither written nor copied
LEAST = 2  # train queries that a token is in, to be among those that are written


def written(queries: Iterable[list[int]], eos: int) -> np.ndarray:
    """Return int64[V], the tokens that can be written: `eos`, none, and those of many queries.

    queries: of each its tokens, without special ones. At the place OTHER there is -1.
    """
    found = Counter(token for tokens in queries for token in set(tokens))
    kept = sorted(token for token, n in found.items() if n >= LEAST and token != eos)
    return np.array([eos, -1, *kept], np.int64)


class Places:
    """Tokens as places of the extended vocabulary: V that are written, then a source's own T.

    A token of the source that cannot be written has the place V + t, where t is its first position.
    """

    def __init__(self, vocabulary: torch.Tensor, tokens: int):
        """vocabulary: int64[V], as `written` returns it. tokens: how many the tokenizer knows."""
        self.V = len(vocabulary)
        self.place = torch.full((tokens,), -1)
        kept = torch.arange(self.V) != OTHER
        self.place[vocabulary.cpu()[kept]] = torch.arange(self.V)[kept]

    def of_source(self, source: torch.Tensor) -> torch.Tensor:
        """Return int64[B, T] for the tokens int64[B, T] of B sources."""
        own = self.place[source]
        return torch.where(own < 0, self.V + _first(source, source), own)

    def of_target(self, target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """Return int64[B, t] for tokens to be written, int64[B, t], beside sources int64[B, T]."""
        own, there = self.place[target], (target[:, :, None] == source[:, None]).any(2)
        copied = torch.where(there, self.V + _first(target, source), OTHER)
        return torch.where(own < 0, copied, own)


def _first(tokens: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Return int64[B, t]: where each of int64[B, t] first is in int64[B, T], 0 where it is not."""
    return (tokens[:, :, None] == source[:, None]).int().argmax(2)


def mixture(
    written: torch.Tensor, attention: torch.Tensor, gate: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Return P(w), float[B, t, V + T], over the extended vocabulary: eq. 9.

    written: float[B, t, V], P_vocab. attention: float[B, t, T], over the source. gate: float[B, t,
    1], p_gen. places: int64[B, T], of the source's tokens.
    """
    T = attention.shape[2]
    whole = torch.cat([gate * written, written.new_zeros(*written.shape[:2], T)], 2)
    return whole.scatter_add(2, places[:, None].expand_as(attention), (1 - gate) * attention)
