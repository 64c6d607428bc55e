"""GenRet's tokenization model: from an embedding and a prefix to the next token."""

import torch
from torch import nn
from torch.nn.functional import normalize

CHUNK = 4096  # documents whose states are in memory at a time


class Tokenizer(nn.Module):
    """Maps embeddings float[B, D] of queries or documents to the tokens of P positions.

    The first state d_1 is x + network_1(x, 0), of x = e sqrt(D / unit). Behind a token z of
    position i - 1, with r = d_(i-1) - E_(i-1)[z], it is d_i = r + network_i(r, E_(i-1)[z]): at
    first, what the codebook E leaves over. All states are made sqrt(D) long. The score of a token
    is scale / D times the inner product of the state and the token's vector in the codebook.

    In GenRet (Sun et al. 2023, section 3.1) the state is that of T5's decoder, which reads the
    prefix and ends with a norm, for queries and documents alike.
    """

    def __init__(self, D: int, P: int, V: int, width: int, scale: float, unit: float = 1.0):
        """width: of the hidden layer. unit: the mean squared norm of the embeddings."""
        super().__init__()
        self.D, self.P, self.V, self.scale, self.unit = D, P, V, scale, unit
        self.books = nn.ParameterList(torch.zeros(V, D) for _ in range(P))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * D, width), nn.ReLU(), nn.Linear(width, D)) for _ in range(P)
        )
        for network in self.networks:
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)

    def state(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return d_i or q_i, float[B, D], after prefixes int64[B, i].

        What comes from the positions before is a constant: they are learned before.
        """
        rest = e * (self.D / self.unit) ** 0.5
        state = token = torch.zeros_like(rest)
        for i, network in enumerate(self.networks[: prefix.shape[1] + 1]):
            if i:
                token = self.books[i - 1].detach()[prefix[:, i - 1]]
                rest = state.detach() - token
            state = rest + network(torch.cat([rest, token], 1))
            state = self.D**0.5 * normalize(state, dim=1)
        return state

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
