"""Balanced soft assignments by entropic optimal transport, in the log domain."""

import torch


@torch.no_grad()
def column_potentials(cost: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Return float64[V]: what to subtract from each column's cost so that all V are used alike.

    cost: [n, V]. The plan exp((f_i + g_j - cost_ij) / epsilon) has row sums 1/n and column sums
    1/V after enough `iterations`; g is returned, f follows from it. In float64 and in logarithms:
    with the paper's epsilon of 0.003, exp(-cost / epsilon) is 0 in float32 for most pairs.

    Source: Cuturi, Sinkhorn Distances (2013); its use for codes: RepCONC, Zhan et al. (2022).
    """
    scaled = -cost.double() / epsilon  # [n, V]
    n, V = scaled.shape
    g = scaled.new_zeros(V)
    row, column = -torch.tensor([n, V], dtype=torch.float64, device=cost.device).log()
    for _ in range(iterations):
        f = row - torch.logsumexp(scaled + g, 1)
        g = column - torch.logsumexp(scaled + f[:, None], 0)
    return g * epsilon


def balanced_log_p(cost: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Return log p(j | i), float[n, V]: the plan of `column_potentials`, each row summing to 1.

    Gradients flow through `cost`; the potentials are constants (they depend on the batch, and the
    optimum does not move with them to first order).
    """
    g = column_potentials(cost, epsilon, iterations).to(cost.dtype)
    return torch.log_softmax((g - cost) / epsilon, 1)
