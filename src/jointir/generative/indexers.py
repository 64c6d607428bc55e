"""The semantic indexing modules: from an embedding to the L positions of an identifier.

ASI++ (Liu et al. 2024), section 2.1 and appendix B.1. One contract: `log_p` gives the distributions
p(id_i | e), `ids` their argmax, `penalty` what the module adds to the loss, `start` what it takes
from the first embeddings.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn

from jointir.errors import InputError
from jointir.generative.sinkhorn import balanced_log_p


class SemanticIndexer(nn.Module, ABC):
    """Maps float[B, D] to L distributions over V tokens each.

    unit: the mean squared norm of the embeddings; squared distances are divided by it.
    """

    unit = 1.0

    def __init__(self, D: int, L: int, V: int):
        super().__init__()
        self.D, self.L, self.V = D, L, V

    @abstractmethod
    def log_p(self, e: torch.Tensor, balance: bool = False) -> torch.Tensor:
        """Return log p(id_i | e), float[B, L, V].

        balance: documents in training; a quantizer then spreads the batch evenly over its tokens.
        Without it, a row does not depend on the other rows: new documents need no batch.
        """

    @torch.no_grad()
    def ids(self, e: torch.Tensor) -> torch.Tensor:
        """Return int64[B, L], each position in [0, V), as in inference: no dropout, no balance."""
        training = self.training
        self.eval()
        found = self.log_p(e).argmax(2)
        self.train(training)
        return found

    def penalty(self, e: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
        """Return what the module adds to the loss: nothing, or the quantization error."""
        return e.new_zeros(())

    def start(self, e: torch.Tensor, seed: int) -> None:
        """Take initial codebooks from embeddings float[n, D]; a network needs none."""


class MLPIndexer(SemanticIndexer):
    """A network of its own for each position, dropout 0.2."""

    def __init__(self, D: int, L: int, V: int, dropout: float = 0.2):
        super().__init__(D, L, V)
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Dropout(dropout), nn.Linear(D, V))
            for _ in range(L)
        )

    def log_p(self, e: torch.Tensor, balance: bool = False) -> torch.Tensor:
        """Return float[B, L, V]."""
        # a fresh network wants components of about 1; those of unit embeddings are 1/sqrt(D)
        scaled = e * (self.D / self.unit) ** 0.5
        return torch.stack([network(scaled) for network in self.networks], 1).log_softmax(2)


class Quantizer(SemanticIndexer):
    """What PQ and RQ share: p(id_i | e) is a softmax over squared distances to centroids."""

    def __init__(self, D: int, L: int, V: int, width: int, epsilon: float, iterations: int):
        super().__init__(D, L, V)
        self.epsilon, self.iterations = epsilon, iterations
        self.centroids = nn.Parameter(torch.empty(L, V, width).normal_(std=D**-0.5))

    def _log_p(self, cost: torch.Tensor, balance: bool) -> torch.Tensor:
        epsilon = self.epsilon * self.unit
        if balance:
            return balanced_log_p(cost, epsilon, self.iterations)
        return torch.log_softmax(-cost / epsilon, 1)

    def penalty(self, e: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
        """Return the mean of ||e - e^q||^2 for the tokens that `log_p` chose."""
        chosen = log_p.argmax(2)  # [B, L]
        parts = self.centroids[torch.arange(self.L, device=e.device), chosen]  # [B, L, width]
        return (e - self._decode(parts)).square().sum(1).mean() / self.unit

    @abstractmethod
    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        """Return e^q, float[B, D], of the chosen centroids float[B, L, width]."""


def squared_distances(x: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Return float[B, V] of float[B, w] and float[V, w]."""
    return x.square().sum(1)[:, None] - 2 * x @ centroids.T + centroids.square().sum(1)


class PQIndexer(Quantizer):
    """Product quantization as in RepCONC: position i quantizes the i-th of L sub-vectors."""

    def __init__(self, D: int, L: int, V: int, epsilon: float = 0.003, iterations: int = 100):
        if D % L:
            raise InputError("asi.L", f"{L} does not divide the dimension {D}", "Choose a divisor")
        super().__init__(D, L, V, D // L, epsilon, iterations)

    def log_p(self, e: torch.Tensor, balance: bool = False) -> torch.Tensor:
        """Return float[B, L, V]."""
        costs = map(squared_distances, e.chunk(self.L, 1), self.centroids)
        return torch.stack([self._log_p(cost, balance) for cost in costs], 1)

    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        return parts.flatten(1)

    @torch.no_grad()
    def start(self, e: torch.Tensor, seed: int) -> None:
        """Take V documents' own sub-vectors as centroids."""
        generator = torch.Generator().manual_seed(seed)
        for i, part in enumerate(e.chunk(self.L, 1)):
            self.centroids[i] = part[torch.randperm(len(e), generator=generator)[: self.V]]


class RQIndexer(Quantizer):
    """Residual quantization: position i quantizes what the positions before it left over."""

    def __init__(self, D: int, L: int, V: int, epsilon: float = 0.003, iterations: int = 100):
        super().__init__(D, L, V, D, epsilon, iterations)

    def log_p(self, e: torch.Tensor, balance: bool = False) -> torch.Tensor:
        """Return float[B, L, V]."""
        rest, found = e, []
        for codebook in self.centroids:
            found.append(self._log_p(squared_distances(rest, codebook), balance))
            rest = rest - codebook[found[-1].argmax(1)]
        return torch.stack(found, 1)

    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        return parts.sum(1)

    @torch.no_grad()
    def start(self, e: torch.Tensor, seed: int) -> None:
        """Take V documents' own residuals as each codebook, one codebook after the other."""
        generator = torch.Generator().manual_seed(seed)
        rest = e
        for i in range(self.L):
            self.centroids[i] = rest[torch.randperm(len(e), generator=generator)[: self.V]]
            nearest = squared_distances(rest, self.centroids[i]).argmin(1)
            rest = rest - self.centroids[i][nearest]


INDEXERS = {"mlp": MLPIndexer, "pq": PQIndexer, "rq": RQIndexer}


def make_indexer(kind: str, D: int, L: int, V: int, unit: float = 1.0) -> SemanticIndexer:
    """Return a fresh module of one of the kinds of INDEXERS, for embeddings of such a `unit`.

    Raises:
        InputError: the kind is unknown, or L does not divide D for `pq`.
    """
    if kind not in INDEXERS:
        raise InputError("asi.indexer", f"{kind!r} is unknown", f"Choose one of {list(INDEXERS)}")
    indexer = INDEXERS[kind](D, L, V)
    indexer.unit = unit
    return indexer
