"""A decoder that knows which identifiers exist: it has a vector for each of their prefixes."""

import torch
from torch import nn
from torch.nn.functional import embedding

from jointir.errors import InputError
from jointir.generative.indexers import MLPIndexer, SemanticIndexer

SHARP = 1.5  # of `start`: with sqrt(D) = 20 about the scale of a dense encoder's inner products


class PrefixDecoder(nn.Module):
    """A state of embedding and prefix, a network for each position, tied token vectors.

    At position i, with x = e sqrt(D / unit) and the prefix's vector p, the logit of a token is its
    bias and the inner product of its vector with sharp_i x + p + network_i(x, p). p is the sum of a
    vector of each token that was chosen and, for a prefix that `know` was told of, one of its own.
    A new prefix, such as that of a new document, has the first part alone.

    NCI's prefix-aware adaptive decoder (Wang et al. 2022) has the same aim by other means: there
    the token vectors depend on the prefix, here the state does.
    """

    def __init__(self, D: int, L: int, V: int, width: int, unit: float = 1.0):
        """width: of the networks' hidden layer. unit: the mean squared norm of the embeddings."""
        super().__init__()
        self.D, self.L, self.V, self.unit = D, L, V, unit
        self.tokens = nn.Parameter(torch.randn(L, V, D) * 0.02)
        self.bias = nn.Parameter(torch.zeros(L, V))
        self.chosen = nn.Parameter(torch.zeros(L, V, D))
        self.sharp = nn.Parameter(torch.ones(L))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * D, width), nn.ReLU(), nn.Linear(width, D)) for _ in range(L)
        )
        self.own = nn.ParameterList()  # [n_i + 1, D], the last for what is new: it stays zero
        for i in range(L):
            self.register_buffer(f"known_{i}", torch.zeros(0, dtype=torch.long))
            self.own.append(nn.Parameter(torch.zeros(1, D)))

    @torch.no_grad()
    def start(self, books: torch.Tensor) -> None:
        """Begin with codebooks float[L, V, D] as token vectors: embeddings are about their sums."""
        self.tokens.copy_(books / self.unit**0.5)
        self.sharp.fill_(SHARP)

    def begin(self, ids: torch.Tensor, docs: torch.Tensor, indexer: SemanticIndexer | None) -> None:
        """Begin with what gave the final identifiers int64[n, L] of documents float[n, D].

        indexer: that module; where it is no network, or None because nothing gave them, codebooks
        are fitted to the identifiers.
        """
        if isinstance(indexer, MLPIndexer):
            self._begin_as(indexer)
        else:
            self.start(fitted_books(ids, docs, self.V))
        self.know(ids)

    @torch.no_grad()
    def _begin_as(self, indexer: MLPIndexer) -> None:
        """Give what the indexing module gives, whatever the prefix.

        Raises:
            InputError: the networks here are narrower than there.
        """
        D = self.D
        if self.networks[0][0].out_features < D:
            found = f"{self.networks[0][0].out_features} units for embeddings of {D} dimensions"
            raise InputError("asi.width", found, f"Choose {D} or more, or an indexer of its own")
        self.sharp.zero_()
        for i, ((first, _, second), (hidden, _, _, out)) in enumerate(
            zip(self.networks, indexer.networks, strict=True)
        ):
            first.weight[:D] = torch.cat([hidden.weight, torch.zeros_like(hidden.weight)], 1)
            first.bias[:D] = hidden.bias
            second.weight.zero_()
            second.weight[:, :D] = torch.eye(D)
            second.bias.zero_()
            self.tokens[i], self.bias[i] = out.weight, out.bias

    def know(self, ids: torch.Tensor) -> None:
        """Give each prefix of the identifiers int64[n, L] a vector, zero at first."""
        for i in range(self.L):
            self._make_room(i, torch.unique(self._keys(ids[:, :i])))

    def _make_room(self, i: int, known: torch.Tensor) -> None:
        setattr(self, f"known_{i}", known)
        self.own[i] = nn.Parameter(self.tokens.new_zeros(len(known) + 1, self.D))

    def _load_from_state_dict(self, state, prefix, *rest) -> None:
        for i in range(self.L):
            self._make_room(i, state[f"{prefix}known_{i}"])
        super()._load_from_state_dict(state, prefix, *rest)

    def _keys(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return a number for each of int64[B, t], by which equal ones are equal."""
        keys = prefix.new_zeros(len(prefix))
        for j in range(prefix.shape[1]):
            keys = keys * self.V + prefix[:, j]
        return keys

    def _vectors(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return p, float[B, D], of int64[B, t]."""
        i, keys = prefix.shape[1], self._keys(prefix)
        known = getattr(self, f"known_{i}")
        new = len(known)
        at = torch.searchsorted(known, keys)
        if new:
            at = torch.where(known[at.clamp(max=new - 1)] == keys, at, new)
        total = embedding(at, self.own[i], padding_idx=new)
        for j in range(i):
            total = total + embedding(prefix[:, j], self.chosen[j])
        return total

    def _step(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(id_i | id_<i, e), float[B, V], of int64[B, i]."""
        i = prefix.shape[1]
        x, p = e * (self.D / self.unit) ** 0.5, self._vectors(prefix)
        state = self.sharp[i] * x + p + self.networks[i](torch.cat([x, p], 1))
        return (state @ self.tokens[i].T + self.bias[i]).float().log_softmax(1)

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
