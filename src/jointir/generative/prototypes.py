"""Tokens that stand for many documents: several vectors for each."""

import torch
from torch import nn

from jointir.quantize.clusters import k_means

NOTHING = -20.0  # bias of a vector that stands for no document


class Prototypes(nn.Module):
    """A token's logit is the log-sum-exp over its K vectors of <state, vector> + bias.

    The documents of a token lie in several places, of which one vector knows the middle alone.
    """

    def __init__(self, D: int, V: int, K: int):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(V, K, D) * 0.02)
        self.bias = nn.Parameter(torch.zeros(V, K))

    @torch.no_grad()
    def begin(self, tokens: torch.Tensor, x: torch.Tensor) -> None:
        """Take the centres of k-means among the vectors float[n, D] of each token of int64[n]."""
        V, K, _ = self.vectors.shape
        self.vectors.zero_()
        self.bias.fill_(NOTHING)
        for v in range(V):
            own = x[tokens == v]
            if len(own) == 0:
                continue
            centres = k_means(own, K, seed=v) if len(own) > K else own
            nearest = torch.cdist(own, centres).argmin(1)
            count = torch.bincount(nearest, minlength=len(centres)).to(x)
            self.vectors[v, : len(centres)] = centres
            self.bias[v, : len(centres)] = count.log().clamp(min=NOTHING)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """Return logits float[B, V] of states float[B, D]."""
        V, K, D = self.vectors.shape
        scores = state @ self.vectors.view(V * K, D).T + self.bias.view(-1)
        return scores.view(-1, V, K).float().logsumexp(2)
