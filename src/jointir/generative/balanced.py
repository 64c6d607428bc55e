"""Balanced tokens of documents, for each prefix by itself: no token takes more than its share."""

from collections.abc import Iterator

import torch

ITERATIONS = 50
PART = 2**23  # scores in memory at a time, padding included


@torch.no_grad()
def balanced_tokens(scores: torch.Tensor, group: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return int64[n], of each document one of V tokens: high scores, and no token too often.

    scores: float[n, V]. group: int64[n], of each document which others it is balanced with: those
    of its prefix. Among m documents a token's share is the larger of 1/V and 1/m, softly.

    It is entropic optimal transport with a capacity of each column in place of its sum: Sinkhorn's
    algorithm where a price is at most 0 (Chizat et al., Scaling algorithms for unbalanced optimal
    transport problems, 2018). With sums, as GenRet's code has them, few documents have to use all
    tokens, and one document alone has every token alike. As there, the scores of a group are
    centred and scaled to [-1, 1] first.
    """
    V, found = scores.shape[1], torch.empty_like(group)
    order = torch.argsort(group, stable=True)
    count = torch.unique_consecutive(group[order], return_counts=True)[1]
    by_size = torch.argsort(count, stable=True)  # those of like sizes together: little padding
    first, size = (count.cumsum(0) - count)[by_size], count[by_size]
    for part in _parts(size.tolist(), V):
        place = torch.arange(int(size[part].max()), device=order.device)
        real = place < size[part, None]  # [G, m]
        rows = order[(first[part, None] + place).clamp(max=len(order) - 1)]
        found[rows[real]] = _tokens(scores[rows], real, epsilon)[real]
    return found


def _parts(size: list[int], V: int) -> Iterator[slice]:
    """Yield which groups go together, of ascending sizes, so that PART scores are enough."""
    begin = 0
    for end in range(1, len(size) + 1):
        if end == len(size) or (end + 1 - begin) * size[end] * V > PART:
            yield slice(begin, end)
            begin = end


def _tokens(scores: torch.Tensor, real: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return int64[G, m] of G groups, float[G, m, V]; real: bool[G, m], what is no padding."""
    V, m = scores.shape[2], real.sum(1).to(scores)
    there = real[..., None]
    most = scores.masked_fill(~there, -torch.inf).amax((1, 2), keepdim=True)
    least = scores.masked_fill(~there, torch.inf).amin((1, 2), keepdim=True)
    middle = (most + least) / 2
    scaled = (scores - middle) / (most - middle + 1e-5) / epsilon
    row = torch.where(real, -m.log()[:, None], -torch.inf)  # [G, m]
    capacity = -torch.minimum(m, m.new_tensor(V)).log()[:, None]  # [G, 1]
    price = scores.new_zeros(len(scores), V)
    for _ in range(ITERATIONS):
        f = row - torch.logsumexp(scaled + price[:, None], 2)
        full = capacity - torch.logsumexp(scaled + f[..., None], 1)
        price = full.clamp(max=0)
    return (scaled + price[:, None]).argmax(2)
