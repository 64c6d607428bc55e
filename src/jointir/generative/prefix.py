"""A decoder that knows which identifiers exist: it has a vector for each of their prefixes."""

import math

import torch
from torch import nn
from torch.nn.functional import embedding

from jointir.generative.prototypes import Prototypes
from jointir.generative.tree import continuations, prefix_keys

PART = 2**16  # continuations whose vectors are in memory at a time
GAP = 5.0  # nats, at first, between a token that continues a known prefix and one that does not


class PrefixDecoder(nn.Module):
    """Tokens have a vector for each position and, after a known prefix, one of their own.

    With x = e sqrt(D / unit), the state at position i is x + network_i(x, p), where p is the sum of
    a vector of each token of the prefix. A token's logit is the inner product of state and token
    vector, plus a bias. `begin` tells the decoder which identifiers exist: then a token that
    continues a known prefix has a vector and a bias for just this place, and the other tokens lose
    a learned gap. After a prefix that is new, as for new documents, the shared vectors remain. The
    first position has no prefix and the most documents a token: there a token has several vectors
    (prototypes.py).

    So the token vectors depend on the prefix, as in NCI's prefix-aware weight-adaptive decoder
    (Wang et al. 2022); there a transformer makes them of the prefix, here they are weights.
    """

    def __init__(self, D: int, L: int, V: int, width: int, K: int, unit: float = 1.0):
        """width: of the networks' hidden layer. K: vectors a token at the first position.

        unit: the mean squared norm of the embeddings.
        """
        super().__init__()
        self.D, self.L, self.V, self.unit = D, L, V, unit
        self.tokens = nn.Parameter(torch.randn(L, V, D) * 0.02)
        self.bias = nn.Parameter(torch.zeros(L, V))
        self.chosen = nn.Parameter(torch.zeros(L, V, D))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * D, width), nn.ReLU(), nn.Linear(width, D)) for _ in range(L)
        )
        self.gap = nn.Parameter(torch.full((L,), GAP))
        self.first = Prototypes(D, V, K)
        # of each continuation that exists, [n_i, D] and [n_i]; none at the first position
        self.own, self.own_bias = nn.ParameterList(), nn.ParameterList()
        for i in range(L):
            self.own.append(nn.Parameter(torch.zeros(0, D)))
            self.own_bias.append(nn.Parameter(torch.zeros(0)))
            self.register_buffer(f"known_{i}", torch.zeros(0, dtype=torch.long))
        self.register_buffer("begun", torch.tensor(False))

    @torch.no_grad()
    def start(self, books: torch.Tensor, scale: float = 30.0) -> None:
        """Begin with codebooks float[L, V, D], of which embeddings are about the sums.

        scale: factor on inner products that are divided by `unit`, as of a dense encoder's softmax.
        """
        self.tokens.copy_(self._factor(scale) * books)
        self.bias.zero_()
        self.chosen.zero_()
        self.gap.fill_(GAP)

    def _factor(self, scale: float) -> float:
        """Return what makes of an embedding a vector whose products with x are scaled scores."""
        return scale / math.sqrt(self.D * self.unit)

    @torch.no_grad()
    def begin(self, ids: torch.Tensor, docs: torch.Tensor, scale: float) -> None:
        """Begin anew, with the final identifiers int64[n, L] of documents float[n, D].

        The probability of a token is then about the share that the documents behind it have of
        softmax(scale <e, e_d>): each place has their mean, and the logarithm of their number.
        """
        factor = self._factor(scale)
        for network in self.networks:
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)
        self.start(fitted_books(ids, docs, self.V), scale)
        self.first.begin(ids[:, 0], factor * docs)
        for i in range(1, self.L):
            known, place = torch.unique(prefix_keys(ids[:, : i + 1], self.V), return_inverse=True)
            self._make_room(i, known)
            count = torch.bincount(place).to(docs)
            total = torch.zeros(len(known), self.D).to(docs).index_add_(0, place, docs)
            self.own[i].copy_(factor * total / count[:, None])
            self.own_bias[i].copy_(count.log())
        self.begun.fill_(True)

    def _make_room(self, i: int, known: torch.Tensor) -> None:
        setattr(self, f"known_{i}", known)
        self.own[i] = nn.Parameter(self.tokens.new_zeros(len(known), self.D))
        self.own_bias[i] = nn.Parameter(self.tokens.new_zeros(len(known)))

    def _load_from_state_dict(self, state, prefix, *rest) -> None:
        for i in range(self.L):
            self._make_room(i, state[f"{prefix}known_{i}"])
        super()._load_from_state_dict(state, prefix, *rest)

    def _logits(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return float[B, V], of embeddings float[B, D] and prefixes int64[B, i]."""
        i, x = prefix.shape[1], e * (self.D / self.unit) ** 0.5
        p = x.new_zeros(x.shape)
        for j in range(i):
            p = p + embedding(prefix[:, j], self.chosen[j])
        state = x + self.networks[i](torch.cat([x, p], 1))
        if i == 0 and self.begun:
            return self.first(state)
        shared = state @ self.tokens[i].T + self.bias[i]
        return self._continued(shared, state, prefix) if self.begun else shared

    def _continued(
        self, shared: torch.Tensor, state: torch.Tensor, prefix: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits `shared`, float[B, V], but for what continues a known prefix."""
        i = prefix.shape[1]
        row, at, token = continuations(getattr(self, f"known_{i}"), prefix, self.V)
        parts = zip(row.split(PART), at.split(PART), strict=True)
        scores = torch.cat([(state[r] * self.own[i][a]).sum(1) for r, a in parts])
        logits = scores + self.own_bias[i][at]
        known = torch.zeros(len(prefix), 1, dtype=torch.bool, device=row.device)
        known[row] = True
        other = shared - self.gap[i] * known
        return other.index_put((row, token), logits.to(other))

    def _step(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(id_i | id_<i, e), float[B, V], of int64[B, i]."""
        return self._logits(e, prefix).float().log_softmax(1)

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p of the token after a prefix int64[B, t], t < L: float[B, 1, V].

        e: float[B, D], embeddings. Beam search asks for the last position alone.
        """
        return self._step(e, prefix)[:, None]

    def forward(self, e: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return float[B, L, V] for whole identifiers int64[B, L]: teacher forcing."""
        return torch.stack([self._step(e, ids[:, :i]) for i in range(self.L)], 1)


def fitted_books(ids: torch.Tensor, docs: torch.Tensor, V: int) -> torch.Tensor:
    """Return codebooks float[L, V, D]: each token's mean of what the positions before left over.

    ids: int64[n, L], whoever made them; docs: float[n, D]. A token that no document has gets zeros.
    """
    rest, books = docs, docs.new_zeros(ids.shape[1], V, docs.shape[1])
    for book, tokens in zip(books, ids.T, strict=True):
        count = torch.bincount(tokens, minlength=V).clamp(min=1)
        book += torch.zeros_like(book).index_add_(0, tokens, rest) / count[:, None]
        rest = rest - book[tokens]
    return books
