"""The training objective of ASI and ASI++ (Liu et al. 2024, sections 2.1 to 2.4) for one step.

Decisions where the paper is silent:
- of a batch, the first `fresh` queries and the next `fresh` documents are encoded with gradient;
  all others come from banks of all training queries and documents. Never both of one pair: a fresh
  document among stale ones would be told by its freshness (reports/LOG.md);
- that happens every `encode_every` steps. Between them, where a step costs a third, the indexing
  module learns from the banks alone: it starts from nothing, the encoder does not;
- eq. 6 contrasts fresh queries with documents, and fresh documents with queries;
- negatives (eq. 1) and neighbours (eq. 4 to 6) are the batch's documents and a pool drawn from the
  bank, those that collide with a document of the batch first;
- D' of eq. 5 are the `nearest` of the pool under eq. 1's distance;
- eq. 2 has a second term, from documents to their own identifiers, over a part of the pool: the
  identifiers of documents without a query would never be decoded in training (the paper generates
  queries for all documents instead, with docT5query);
- eq. 6's inner products are multiplied by `scale`, as in STAR and JPQ: they, and all squared
  distances between embeddings, are divided by the starting encoder's mean squared norm;
- the first epoch, over which lambda grows, is over the documents: the bank shows the indexing
  module batch and pool at every step;
- ASI's collision loss (sequence-oriented reverse cross-entropy) is part of eq. 1 for both models.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from jointir.encode.precision import autocast
from jointir.generative import losses
from jointir.generative.bank import Bank, DocumentBank
from jointir.generative.model import GenerativeRetriever
from jointir.generative.pairs import Batch, Pairs
from jointir.methods.asi import Settings


@dataclass(frozen=True)
class Criteria:
    """Which losses, and the paper's symbols."""

    alpha: float  # margin of eq. 1
    gamma: float  # eq. 6
    beta: float  # eq. 9
    lambda_first: float  # the scaling coefficient at step 0, and after the first epoch
    lambda_last: float
    scale: float
    density: bool  # L_di, eq. 5
    bottleneck: bool  # L_bot, eq. 6
    information: bool  # L_ib, eq. 9
    pool: int  # documents drawn from the bank
    decoded: int  # of the pool, those that the decoder learns too
    nearest: int

    @classmethod
    def of(cls, settings: Settings) -> "Criteria":
        """Return those of a training."""
        return cls(**{f.name: getattr(settings, f.name) for f in fields(cls)})

    def coefficient(self, step: int, epoch: int) -> float:
        """Return lambda at a step: linear over the first `epoch` steps, then constant."""
        done = min(1.0, step / epoch)
        return self.lambda_first + done * (self.lambda_last - self.lambda_first)


@dataclass
class Encoded:
    """One step's tensors. A queries; P documents of the pool, the first A the queries' own."""

    e_q: torch.Tensor  # [A, D]
    e_pool: torch.Tensor  # [P, D]
    fresh: int  # F: queries [0, F) and documents [F, 2F) were encoded now
    ids_pool: torch.Tensor  # [P, L]
    irrelevant: torch.Tensor  # bool[A, P], of queries and pool
    different: torch.Tensor  # bool[A, P], of the queries' documents and pool


@dataclass
class Indexed:
    """What the indexing module makes of them."""

    log_q: torch.Tensor  # [A, L, V]
    log_pool: torch.Tensor  # [P, L, V]
    ids_q: torch.Tensor  # [A, L]


class Objective(nn.Module):
    """Model, banks and criteria; holds everything that a checkpoint has to."""

    def __init__(
        self,
        model: GenerativeRetriever,
        queries: Bank,
        documents: DocumentBank,
        pairs: Pairs,
        criteria: Criteria,
        bf16: bool,
    ):
        super().__init__()
        self.model, self.queries, self.documents = model, queries, documents
        self.pairs, self.criteria, self.bf16 = pairs, criteria, bf16
        self._terms: dict[str, torch.Tensor] = {}

    def loss(self, step: int, batch: int, fresh: int) -> torch.Tensor:
        """Return the total loss of one step; with `fresh` 0 that of the indexing module alone."""
        drawn = self.pairs(step, batch)
        x = self.encode(drawn, fresh, np.random.default_rng([self.pairs.seed, 3, step]))
        indexer = self.model.indexer
        log_pool = indexer.log_p(x.e_pool)
        y = Indexed(indexer.log_p(x.e_q), log_pool, indexer.ids(x.e_q))
        epoch = max(1, len(self.documents) // len(x.e_pool))
        weight = self.criteria.coefficient(step, epoch)
        terms = self.asi(x, y) | {name: weight * own for name, own in self.plus(x, y).items()}
        terms["quantization"] = indexer.penalty(x.e_pool, log_pool)
        self._terms = {name: term.detach() for name, term in terms.items()}
        return sum(terms.values())

    def terms(self) -> dict[str, float]:
        """Return what the last loss was added of. On a GPU it waits for that: not at every step."""
        return {name: term.item() for name, term in self._terms.items()}

    def encode(self, batch: Batch, fresh: int, rng: np.random.Generator) -> Encoded:
        """Encode the fresh pairs, renew the banks with them, draw the pool."""
        F, device = min(fresh, len(batch.docs) // 2), self.model.encoder.device
        queries, docs = torch.from_numpy(batch.queries), torch.from_numpy(batch.docs)
        e_q, e_d = self._fresh(queries[:F], docs[F : 2 * F])
        pool = self.documents.neighbours(docs.unique(), self.criteria.pool, rng)
        rows = torch.cat([docs, pool])
        stale = self.documents.rows(rows).to(device)
        e_pool = torch.cat([stale[:F], e_d, stale[2 * F :]])
        never = np.stack([np.isin(rows.numpy(), r) for r in batch.never])
        return Encoded(
            e_q=torch.cat([e_q, self.queries.rows(queries[F:]).to(device)]),
            e_pool=e_pool,
            fresh=F,
            ids_pool=self.model.indexer.ids(e_pool),
            irrelevant=torch.from_numpy(~never).to(device),
            different=(docs[:, None] != rows).to(device),
        )

    def _fresh(
        self, queries: torch.Tensor, docs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode queries int64[F] and documents int64[F], and renew the banks with them."""
        device = self.model.encoder.device
        if not len(queries):
            return self.queries.rows(queries).to(device), self.documents.rows(docs).to(device)
        with autocast(device, self.bf16):
            e_q = self.model.encoder(self.pairs.query_tokens(queries.numpy())).float()
            e_d = self.model.encoder(self.pairs.document_tokens(docs.numpy())).float()
        self.queries.update(queries, e_q)
        self.documents.update(docs, e_d)
        return e_q, e_d

    def generation(self, x: Encoded) -> torch.Tensor:
        """Return L_CE, eq. 2, from queries and from documents."""
        A = len(x.e_q)
        # the last of the pool are drawn at random; the first collide with the batch
        part = slice(max(A, len(x.e_pool) - self.criteria.decoded), None)
        from_queries = self.model.decoder(x.e_q, x.ids_pool[:A])
        total = losses.generation(from_queries, x.ids_pool[:A])
        if self.criteria.decoded:
            from_documents = self.model.decoder(x.e_pool[part], x.ids_pool[part])
            total = total + losses.generation(from_documents, x.ids_pool[part])
        return total

    def asi(self, x: Encoded, y: Indexed) -> dict[str, torch.Tensor]:
        """Return eq. 3: L_c, ASI's collision loss and, where there is something fresh, L_CE."""
        A = len(x.e_q)
        p_pool = y.log_pool.exp()
        apart = losses.distances(y.log_q.exp(), p_pool)  # [A, P]
        L_c = losses.contrastive(apart.diagonal(), apart, x.irrelevant, self.criteria.alpha)
        collide = losses.sequence_reverse_cross_entropy(y.log_pool[:A], x.ids_pool, x.different)
        found = {"L_c": L_c, "collisions": collide}
        return found | ({"L_CE": self.generation(x)} if x.fresh else {})

    def plus(self, x: Encoded, y: Indexed) -> dict[str, torch.Tensor]:
        """Return L_di, L_bot and L_ib, those that are switched on, for what is fresh."""
        found = {}
        if self.criteria.density:
            found["L_di"] = self._density(x, y)
        if self.criteria.bottleneck and x.fresh:
            found["L_bot"] = self._bottleneck(x)
        if self.criteria.information and x.fresh:
            e_d = x.e_pool[x.fresh : 2 * x.fresh]
            found["L_ib"] = self.criteria.beta * losses.information(e_d, x.e_pool)
        return found

    def _density(self, x: Encoded, y: Indexed) -> torch.Tensor:
        A, k = len(x.e_q), self.criteria.nearest
        found = []
        for log_a, log_b, ids, mask in (
            (y.log_pool[:A], y.log_pool, x.ids_pool, x.different),
            (y.log_q, y.log_q, y.ids_q, x.different[:, :A]),
        ):
            apart = losses.distances(log_a.exp(), log_b.exp())
            found.append(losses.density(log_a, ids, apart, nearest(apart, mask, k)))
        return found[0] + found[1]

    def _bottleneck(self, x: Encoded) -> torch.Tensor:
        F, A = x.fresh, len(x.e_q)
        e_q, e_d = x.e_q[:F], x.e_pool[F : 2 * F]  # the others are constants
        own = torch.arange(F, device=e_q.device)
        irrelevant = x.irrelevant[:, F : 2 * F].T  # [F, A]
        unit = self.model.unit
        factor = self.criteria.scale / unit
        to_documents = factor * e_q @ x.e_pool.T  # [F, P]
        to_queries = factor * e_d @ x.e_q.T  # [F, A]
        contrast = losses.info_nce(to_documents, own, x.irrelevant[:F])
        contrast = contrast + losses.info_nce(to_queries, own + F, irrelevant)
        documents = losses.inverse_distance(e_d, x.e_pool, x.different[F : 2 * F], unit)
        queries = losses.inverse_distance(e_q, x.e_q, x.different[:F, :A], unit)
        return contrast / 2 + self.criteria.gamma * (documents + queries)


def nearest(apart: torch.Tensor, mask: torch.Tensor, k: int) -> torch.Tensor:
    """Return bool[A, B]: of the masked pairs of float[A, B], the k nearest of each row."""
    far = apart.detach().masked_fill(~mask, torch.inf)
    chosen = far.topk(min(k, far.shape[1]), 1, largest=False).indices
    return torch.zeros_like(mask).scatter(1, chosen, True) & mask
