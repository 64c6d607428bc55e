"""The losses of ASI and ASI++ (Liu et al. 2024; equation numbers are that paper's).

Shapes: A queries or documents, B others; L positions of V tokens; D dimensions. Every mask says
which pairs count.
"""

import torch

NEVER = 1 - 1e-4  # -log(1 - p) of a certain collision: large, with a finite gradient


def distances(p: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return D(id_a, id_b) = sum_i ||p(id_i | a) - p(id_i | b)||^2, float[A, B], at most 2 L."""
    p, other = p.flatten(1), other.flatten(1)  # [A, L V], [B, L V]
    squares = p.square().sum(1)[:, None] + other.square().sum(1)
    return (squares - 2 * p @ other.T).clamp(min=0)


def contrastive(
    positive: torch.Tensor, negatives: torch.Tensor, mask: torch.Tensor, alpha: float
) -> torch.Tensor:
    """Return eq. 1 with the slip mended: max(0, D(q, d) - D(q, d-) + alpha).

    positive: float[A]; negatives: float[A, B]; mask: bool[A, B], the irrelevant pairs. The mean is
    over the triples that violate the margin: with thousands of negatives most have long been met,
    and a mean over all would fade with them.
    """
    violation = (positive[:, None] - negatives + alpha).clamp(min=0) * mask
    return violation.sum() / (violation > 0).sum().clamp(min=1)


def sequence_reverse_cross_entropy(
    log_p: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Return the mean over a of sum_b -log(1 - prod_i p(id_i^b | a)), ASI's collision loss.

    log_p: float[A, L, V]; ids: int64[B, L]; mask: bool[A, B], the pairs that should not collide.
    Sharing some positions costs nothing, sharing all of them does.
    """
    joint = sum(log_p[:, i, ids[:, i]] for i in range(ids.shape[1])).exp()  # [A, B]
    return (-torch.log1p(-NEVER * joint) * mask).sum(1).mean()


def generation(log_p: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Return eq. 2 as a negative log-likelihood: sum over positions, mean over the batch.

    log_p: float[B, L, V] of the decoder; ids: int64[B, L], constants. ASI's straight-through
    gradient from here to the indexing module collapsed the identifiers here (reports/LOG.md): what
    is easiest to decode is one identifier for all.
    """
    return -log_p.gather(2, ids[..., None]).sum((1, 2)).mean()


def cross_entropy(log_p: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Return eq. 2 where several documents are meant: p float[B, L, V] in place of one token."""
    return -(p * log_p).sum((1, 2)).mean()


def consistency(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """Return NCI's regularization (Wang et al. 2022): how unlike two passes are.

    Half the KL divergences of both directions, summed over positions, mean over the batch. log_p,
    log_q: float[B, L, V], of the same examples with different dropout.
    """
    return 0.5 * ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum((1, 2)).mean()


def density(
    log_p: torch.Tensor, ids: torch.Tensor, apart: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Return L_di, eq. 5, for documents or for queries: mean over a of w_a sum_b CE(id_a, id_b).

    CE is the reverse cross-entropy sum_i -log(1 - p(id_i^b | a)): it falls as a leaves the tokens
    of its neighbours. w_a is the mean of D(id_a, id_b) / D_max over the neighbours, a constant.

    log_p: float[A, L, V]; ids: int64[B, L]; apart: float[A, B] of `distances`; mask: bool[A, B],
    the neighbours of each a.
    """
    L = ids.shape[1]
    reverse = sum(-torch.log1p(-NEVER * log_p[:, i, ids[:, i]].exp()) for i in range(L))  # [A, B]
    count = mask.sum(1).clamp(min=1)
    weight = (apart.detach() * mask).sum(1) / count / (2 * L)
    return (weight * (reverse * mask).sum(1)).mean()


def info_nce(scores: torch.Tensor, own: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the first term of eq. 6, -E log softmax of the relevant document.

    scores: float[A, B]; own: int64[A], the column of each query's document; mask: bool[A, B], the
    irrelevant pairs.
    """
    rows = torch.arange(len(scores), device=scores.device)
    allowed = mask.clone()
    allowed[rows, own] = True
    return -scores.masked_fill(~allowed, -torch.inf).log_softmax(1)[rows, own].mean()


def inverse_distance(
    e: torch.Tensor, other: torch.Tensor, mask: torch.Tensor, unit: float = 1.0
) -> torch.Tensor:
    """Return the density terms of eq. 6: the mean of 1 / ||e_a - e_b||^2 over the masked pairs.

    Distances are divided by `unit`, the embeddings' mean squared norm. Those below 0.01 then count
    as 0.01: duplicates would give infinity.
    """
    squared = e.square().sum(1)[:, None] + other.square().sum(1) - 2 * e @ other.T
    squared = squared / unit
    return (mask / squared.clamp(min=0.01)).sum() / mask.sum().clamp(min=1)


def information(e: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of eq. 9 (without beta): E_d KL[N(e_d, s^2) || N(mu, sigma^2)].

    Both are Gaussians with a diagonal covariance, whose KL is the sum over dimensions. mu and sigma
    are those of `prior` float[n, D], a Monte-Carlo sample, and constants: how long embeddings are
    does not matter. The paper does not give s^2, the variance of p(e | d). As long as no weight
    moves it, s adds a constant, log(sigma / s) + (s^2 / sigma^2 - 1) / 2 a dimension, and no
    gradient, so there is nothing to tune: here s = sigma, which leaves half the squared Mahalanobis
    distance to the prior.
    """
    mu, variance = prior.detach().mean(0), prior.detach().var(0).clamp(min=1e-6)
    return 0.5 * ((e - mu).square() / variance).sum(1).mean()
