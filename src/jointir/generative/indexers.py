"""The semantic indexing modules: from an embedding to the L positions of an identifier.

ASI++ (Liu et al. 2024), section 2.1 and appendix B.1. One contract: `log_p` gives the distributions
p(id_i | e), `ids` their argmax, `penalty` what the module adds to the loss, `start` what it takes
from the first embeddings, `balance` what it does now and then to use all tokens alike.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn

from jointir.basics.errors import InputError
from jointir.generative.sinkhorn import prices
from jointir.methods.asi import NONE
from jointir.quantize.clusters import k_means

SPREAD = 2.0  # of an MLP's first logits
SAMPLE = 4096  # embeddings that `balance` looks at


class SemanticIndexer(nn.Module, ABC):
    """Maps float[B, D] to L distributions over V tokens each.

    unit: the mean squared norm of the embeddings; squared distances are divided by it.
    """

    unit = 1.0

    def __init__(self, D: int, L: int, V: int):
        super().__init__()
        self.D, self.L, self.V = D, L, V

    @abstractmethod
    def log_p(self, e: torch.Tensor) -> torch.Tensor:
        """Return log p(id_i | e), float[B, L, V]; no row depends on the others."""

    @torch.no_grad()
    def ids(self, e: torch.Tensor) -> torch.Tensor:
        """Return int64[B, L], each position in [0, V), as in inference: no dropout."""
        training = self.training
        self.eval()
        found = self.log_p(e).argmax(2)
        self.train(training)
        return found

    def penalty(self, e: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
        """Return what the module adds to the loss: nothing, or the quantization error."""
        return e.new_zeros(())

    def start(self, e: torch.Tensor, seed: int) -> None:
        """Begin with what embeddings float[n, D] say."""

    def balance(self, e: torch.Tensor, seed: int) -> None:
        """Let the tokens be used alike by embeddings float[n, D]; a network has losses for that."""


class MLPIndexer(SemanticIndexer):
    """A network of its own for each position, dropout 0.2."""

    def __init__(self, D: int, L: int, V: int, dropout: float = 0.2):
        super().__init__(D, L, V)
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Dropout(dropout), nn.Linear(D, V))
            for _ in range(L)
        )

    def _logits(self, e: torch.Tensor) -> torch.Tensor:
        # a fresh network wants components of about 1; those of unit embeddings are 1/sqrt(D)
        scaled = e * (self.D / self.unit) ** 0.5
        return torch.stack([network(scaled) for network in self.networks], 1)

    def log_p(self, e: torch.Tensor) -> torch.Tensor:
        """Return float[B, L, V]."""
        return self._logits(e).log_softmax(2)

    @torch.no_grad()
    def start(self, e: torch.Tensor, seed: int) -> None:
        """Let each token's logits have mean 0 and standard deviation SPREAD over float[n, D].

        So the networks, which are as random as before, begin as hash functions that use all tokens
        alike. With their own small logits every token is about as likely: some positions stayed so,
        because eq. 1's margin can be met by the others, and few tokens were used (reports/LOG.md).
        """
        training = self.training
        self.eval()
        for (*_, last), logits in zip(self.networks, self._logits(e).unbind(1), strict=True):
            factor = SPREAD / logits.std(0).clamp(min=1e-6)
            last.weight *= factor[:, None]
            last.bias.copy_((last.bias - logits.mean(0)) * factor)
        self.train(training)


class Quantizer(SemanticIndexer):
    """What PQ and RQ share: p(id_i | e) is a softmax over squared distances to centroids.

    RepCONC balances the codes of each batch in training and takes the nearest centroids in
    inference, so that a part of the codes differs (a third here). Here each token has a price,
    taken off its distance, which `balance` sets for all documents: those in training, in inference
    and new ones are coded by one rule.
    """

    def __init__(self, D: int, L: int, V: int, width: int, epsilon: float, iterations: int):
        super().__init__(D, L, V)
        self.epsilon, self.iterations = epsilon, iterations
        self.centroids = nn.Parameter(torch.empty(L, V, width).normal_(std=D**-0.5))
        self.register_buffer("prices", torch.zeros(L, V))

    @abstractmethod
    def _rest(self, e: torch.Tensor, i: int, before: list[torch.Tensor]) -> torch.Tensor:
        """Return what position i quantizes, float[B, width]; before: the chosen centroids."""

    @abstractmethod
    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        """Return e^q, float[B, D], of the chosen centroids float[B, L, width]."""

    def log_p(self, e: torch.Tensor) -> torch.Tensor:
        """Return float[B, L, V]."""
        found, chosen = [], []
        for i in range(self.L):
            cost = squared_distances(self._rest(e, i, chosen), self.centroids[i]) - self.prices[i]
            found.append(torch.log_softmax(-cost / (self.epsilon * self.unit), 1))
            chosen.append(self.centroids[i][found[-1].argmax(1)])
        return torch.stack(found, 1)

    @torch.no_grad()
    def balance(self, e: torch.Tensor, seed: int) -> None:
        """Set the prices by Sinkhorn's algorithm over at most SAMPLE of embeddings float[n, D]."""
        generator = torch.Generator().manual_seed(seed)
        e = e[torch.randperm(len(e), generator=generator)[:SAMPLE].to(e.device)]
        chosen: list[torch.Tensor] = []
        for i in range(self.L):
            cost = squared_distances(self._rest(e, i, chosen), self.centroids[i])
            self.prices[i] = prices(cost, self.epsilon, self.iterations)
            chosen.append(self.centroids[i][(cost - self.prices[i]).argmin(1)])

    @torch.no_grad()
    def start(self, e: torch.Tensor, seed: int) -> None:
        """Take the centroids of k-means, one position after the other."""
        chosen: list[torch.Tensor] = []
        for i in range(self.L):
            rest = self._rest(e, i, chosen)
            self.centroids[i] = k_means(rest, self.V, seed + i)
            chosen.append(self.centroids[i][squared_distances(rest, self.centroids[i]).argmin(1)])

    def penalty(self, e: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
        """Return the mean of ||e - e^q||^2 for the tokens that `log_p` chose."""
        chosen = log_p.argmax(2)  # [B, L]
        parts = self.centroids[torch.arange(self.L, device=e.device), chosen]  # [B, L, width]
        return (e - self._decode(parts)).square().sum(1).mean() / self.unit


def squared_distances(x: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Return float[B, V] of float[B, w] and float[V, w]."""
    return x.square().sum(1)[:, None] - 2 * x @ centroids.T + centroids.square().sum(1)


class PQIndexer(Quantizer):
    """Product quantization as in RepCONC: position i quantizes the i-th of L sub-vectors."""

    def __init__(self, D: int, L: int, V: int, epsilon: float = 0.003, iterations: int = 100):
        if D % L:
            raise InputError("asi.L", f"{L} does not divide the dimension {D}", "Choose a divisor")
        super().__init__(D, L, V, D // L, epsilon, iterations)

    def _rest(self, e: torch.Tensor, i: int, before: list[torch.Tensor]) -> torch.Tensor:
        return e.chunk(self.L, 1)[i]

    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        return parts.flatten(1)


class RQIndexer(Quantizer):
    """Residual quantization: position i quantizes what the positions before it left over."""

    def __init__(self, D: int, L: int, V: int, epsilon: float = 0.003, iterations: int = 100):
        super().__init__(D, L, V, D, epsilon, iterations)

    def _rest(self, e: torch.Tensor, i: int, before: list[torch.Tensor]) -> torch.Tensor:
        return e - sum(before) if before else e

    def _decode(self, parts: torch.Tensor) -> torch.Tensor:
        return parts.sum(1)


class NoIndexer(SemanticIndexer):
    """Nothing: of a model whose identifiers are given, and of no new documents."""

    def log_p(self, e: torch.Tensor) -> torch.Tensor:
        """Refuse: there is nothing that could tell.

        Raises:
            TypeError: always.
        """
        raise TypeError("identifiers that are given have no distribution")


INDEXERS = {"mlp": MLPIndexer, "pq": PQIndexer, "rq": RQIndexer}


def make_indexer(kind: str, D: int, L: int, V: int, unit: float = 1.0) -> SemanticIndexer:
    """Return a fresh module of one of INDEXERS, or `none`, for embeddings of such a `unit`.

    Raises:
        InputError: the kind is unknown, or L does not divide D for `pq`.
    """
    if kind == NONE:
        return NoIndexer(D, L, V)
    if kind not in INDEXERS:
        raise InputError("asi.indexer", f"{kind!r} is unknown", f"Choose one of {list(INDEXERS)}")
    indexer = INDEXERS[kind](D, L, V)
    indexer.unit = unit
    return indexer
