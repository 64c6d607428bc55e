"""The pair-wise loss l of JPQ's eq. 16: LambdaRank with the weights of reciprocal rank."""

import torch
from torch.nn.functional import softplus


def reciprocal_ranks(
    positive: torch.Tensor, negative: torch.Tensor, valid: torch.Tensor, cut: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return 1/rank of positives [B, P] and of negatives [B, n], 0 for ranks above `cut`.

    Ranks are those of the list of all of them sorted by score: a positive below every retrieved
    negative is appended to its end, as in JPQ's own code. valid: bool[B, P], the real positives.
    """
    neg_inf = torch.full_like(positive, -torch.inf)
    pos = torch.where(valid, positive, neg_inf)  # [B, P]
    # [B, P], positives above each; compared pair by pair they would be P^2
    above_pos = pos.shape[1] - torch.searchsorted(pos.sort(1).values, pos, right=True)
    rank_pos = 1 + above_pos + (negative.unsqueeze(1) >= pos.unsqueeze(2)).sum(2)
    order = torch.argsort(torch.argsort(negative, dim=1, descending=True, stable=True), dim=1)
    rank_neg = 1 + order + (pos.unsqueeze(1) > negative.unsqueeze(2)).sum(2)  # [B, n]
    return tuple(
        torch.where(rank <= cut, 1.0 / rank, torch.zeros_like(rank, dtype=positive.dtype))
        for rank in (rank_pos, rank_neg)
    )


def lambdarank(
    positive: torch.Tensor, negative: torch.Tensor, valid: torch.Tensor, cut: int
) -> torch.Tensor:
    """Return the mean over queries of sum_{d+, d-} w log(1 + exp(s(d-) - s(d+))).

    w = |1/rank(d+) - 1/rank(d-)| (Burges 2010; JPQ section 4.3), a constant to the gradient.

    positive: float[B, P] scores of relevant documents, padded; valid: bool[B, P], which are real.
    negative: float[B, n] scores of negatives, -inf for none. cut: ranks beyond it count
    as infinitely low.
    """
    with torch.no_grad():
        gain_pos, gain_neg = reciprocal_ranks(positive, negative, valid, cut)
        weight = (gain_pos.unsqueeze(2) - gain_neg.unsqueeze(1)).abs()  # [B, P, n]
        weight = weight * valid.unsqueeze(2)
    pairs = softplus(negative.unsqueeze(1) - positive.unsqueeze(2))  # [B, P, n]
    return (weight * pairs).sum() / len(positive)
