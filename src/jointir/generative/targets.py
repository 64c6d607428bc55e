"""What a decoder should say after each prefix, where several documents may be meant."""

import torch


def soft_targets(
    p: torch.Tensor, ids: torch.Tensor, drawn: torch.Tensor, V: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a path int64[B, L] and, along it, the distribution of each next token, [B, L, V].

    p: float[B, k], the probability of each of k documents, summing to 1; ids: int64[B, k, L], their
    identifiers; drawn: float[B, 1] in [0, 1), by which one of them is drawn, whose identifier is
    the path. At position i the distribution is that of the documents that share the path so far:
    the exact gradient over the tokens in place of one drawn token's.
    """
    total = p.cumsum(1)
    at = torch.searchsorted(total, drawn * total[:, -1:]).clamp(max=p.shape[1] - 1)
    path = ids.gather(1, at[..., None].expand(-1, -1, ids.shape[2]))[:, 0]  # [B, L]
    soft = p.new_zeros(*path.shape, V)
    for i in range(ids.shape[2]):
        soft[:, i].scatter_add_(1, ids[:, :, i], p)
        p = p * (ids[:, :, i] == path[:, None, i])
    return path, soft / soft.sum(2, keepdim=True)
