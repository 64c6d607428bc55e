"""Balanced assignments by entropic optimal transport, in the log domain."""

import torch


@torch.no_grad()
def potentials(cost: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Return float[V]: what to subtract from each column's cost so that all V are used alike.

    cost: [n, V]. The plan exp((f_i + g_j - cost_ij) / epsilon) has row sums 1/n and column sums
    1/V after enough `iterations`; g is returned, f follows from it. In logarithms: with the paper's
    epsilon of 0.003, exp(-cost / epsilon) is 0 in float32 for most pairs.

    Source: Cuturi, Sinkhorn Distances (2013); its use for codes: RepCONC, Zhan et al. (2022).
    """
    scaled = -cost / epsilon  # [n, V]
    n, V = scaled.shape
    g = scaled.new_zeros(V)
    row, column = -torch.tensor([n, V], dtype=cost.dtype, device=cost.device).log()
    for _ in range(iterations):
        f = row - torch.logsumexp(scaled + g, 1)
        g = column - torch.logsumexp(scaled + f[:, None], 0)
    return g * epsilon


@torch.no_grad()
def prices(cost: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Return `potentials` of costs that are centred and scaled first, in units of the costs.

    As RepCONC's code has it: the middle of the range becomes 0 and its half 1, so that epsilon
    means the same for large distances and for small ones.
    """
    most, least = cost.max(), cost.min()
    middle = (most + least) / 2
    half = most - middle + 1e-5
    return potentials((cost - middle) / half, epsilon, iterations) * half
