"""GenRet's tokenization model: from an embedding and a prefix to the next token."""

import torch
from torch import nn
from torch.nn.functional import embedding, normalize

CHUNK = 4096  # documents whose states are in memory at a time


class Tokenizer(nn.Module):
    """Maps embeddings float[B, D] of queries or documents to the tokens of P positions.

    With x = e sqrt(D / unit) and p, the sum of a vector for each token of the prefix, the state d_i
    is x + p + network_i(x + p, p), made sqrt(D) long. The score of a token is scale / D times the
    inner product of the state and the token's vector in the codebook E_i. In GenRet (Sun et al.
    2023, section 3.1) the state is that of T5's decoder, which ends with a norm, too, for queries
    and documents alike.
    """

    def __init__(self, D: int, P: int, V: int, width: int, scale: float, unit: float = 1.0):
        """width: of the hidden layer. unit: the mean squared norm of the embeddings."""
        super().__init__()
        self.D, self.P, self.V, self.scale, self.unit = D, P, V, scale, unit
        self.books = nn.ParameterList(torch.zeros(V, D) for _ in range(P))
        self.chosen = nn.ParameterList(torch.zeros(i, V, D) for i in range(P))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * D, width), nn.ReLU(), nn.Linear(width, D)) for _ in range(P)
        )
        for network in self.networks:
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)

    @torch.no_grad()
    def begin(self, i: int) -> None:
        """Let position i start from what the codebooks before it leave over."""
        for j in range(i):
            self.chosen[i][j] = -self.books[j]

    def state(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return d_i or q_i, float[B, D], after prefixes int64[B, i]."""
        i, x = prefix.shape[1], e * (self.D / self.unit) ** 0.5
        p = x.new_zeros(x.shape)
        for j in range(i):
            p = p + embedding(prefix[:, j], self.chosen[i][j])
        state = x + p + self.networks[i](torch.cat([x + p, p], 1))
        return self.D**0.5 * normalize(state, dim=1)

    def product(self, states: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return scaled inner products float[A, B], of which a softmax is taken."""
        return self.scale / self.D * states @ others.T

    def scores(self, states: torch.Tensor, i: int) -> torch.Tensor:
        """Return float[B, V] of the states at position i."""
        return self.product(states, self.books[i])

    @torch.no_grad()
    def states(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return the states of many, without gradient."""
        parts = zip(e.split(CHUNK), prefix.split(CHUNK), strict=True)
        return torch.cat([self.state(*part) for part in parts])

    @torch.no_grad()
    def tokens(self, e: torch.Tensor, P: int) -> torch.Tensor:
        """Return int64[B, P], the likeliest token of each of the first P positions."""
        ids = torch.zeros(len(e), 0, dtype=torch.long, device=e.device)
        for i in range(P):
            best = self.scores(self.states(e, ids), i).argmax(1, keepdim=True)
            ids = torch.cat([ids, best], 1)
        return ids
