"""A decoder of identifiers that are sets of n-grams, in any order: NOVO's (Wang et al. 2023)."""

import math

import torch
from torch import nn

from jointir.basics.errors import InputError

GENERATED = 100  # n-grams that are generated for a query


class SetDecoder(nn.Module):
    """A softmax over n-grams; the score of a set is the sum of its n-grams' log-probabilities.

    Each n-gram is one token with a vector, as those of a vocabulary. An n-gram that is not among
    the GENERATED likeliest counts as the last of them. The probability of a set is a softmax over
    the sets that exist, so that what others have as one token is a set here.
    """

    def __init__(self, D: int, L: int, V: int, unit: float = 1.0):
        """V: the number of sets. unit: the mean squared norm of the embeddings.

        Raises:
            InputError: L is not 1.
        """
        super().__init__()
        if L != 1:
            found = f"sets writes one set, and an identifier has {L} positions"
            raise InputError("asi.decoder", found, "Choose another one, or `given: novo`")
        self.D, self.L, self.V, self.unit = D, L, V, unit
        self._make_room(0, torch.zeros(V, 0, dtype=torch.long))

    def _make_room(self, ngrams: int, sets: torch.Tensor) -> None:
        self.vectors = nn.Parameter(torch.zeros(ngrams, self.D))
        self.bias = nn.Parameter(torch.zeros(ngrams))
        self.register_buffer("sets", sets)

    def know(self, sets: torch.Tensor) -> None:
        """Have the sets int64[V, m] of n-grams, which are numbered from 0."""
        self._make_room(int(sets.max()) + 1, sets)

    def _load_from_state_dict(self, state, prefix, *rest) -> None:
        self._make_room(len(state[f"{prefix}bias"]), state[f"{prefix}sets"])
        super()._load_from_state_dict(state, prefix, *rest)

    @torch.no_grad()
    def begin(self, ids: torch.Tensor, docs: torch.Tensor, scale: float) -> None:
        """Begin with the identifiers int64[n, 1] of documents float[n, D].

        The vector of an n-gram is the mean of its documents, so that the score of a set is about
        scale <e, the mean of these>.
        """
        own = self.sets[ids[:, 0]]  # [n, m]
        total, count = torch.zeros_like(self.vectors), torch.zeros_like(self.bias)
        for ngram in own.T:
            total.index_add_(0, ngram, docs)
            count += torch.bincount(ngram, minlength=len(count))
        factor = scale / math.sqrt(self.D * self.unit) / own.shape[1]
        self.vectors.copy_(factor * total / count.clamp(min=1)[:, None])
        self.bias.zero_()

    def ngrams(self, e: torch.Tensor) -> torch.Tensor:
        """Return log p(n-gram | e), float[B, G], of embeddings float[B, D]."""
        x = e * (self.D / self.unit) ** 0.5
        return (x @ self.vectors.T + self.bias).float().log_softmax(1)

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(set | e), float[B, 1, V], of embeddings float[B, D]; prefix: int64[B, 0]."""
        log_p = self.ngrams(e)
        if not self.training:
            last = log_p.topk(min(GENERATED, log_p.shape[1]), 1).values[:, -1:]
            log_p = log_p.maximum(last)
        return sum(log_p[:, ngram] for ngram in self.sets.T).log_softmax(1)[:, None]

    def forward(self, e: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return float[B, 1, V] for identifiers int64[B, 1]."""
        return self.log_p(e, ids[:, :0])
