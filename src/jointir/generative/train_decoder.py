"""The `train-decoder` stage: the decoder learns the identifiers that the documents ended up with.

While encoder and indexing module train, identifiers move, and most embeddings in the banks are
older than the encoder. Here both are frozen and every embedding is exact, so that a step costs no
encoding: eq. 2 alone, for the decoder alone.

The paper's decoder sees ten generated queries a document (docT5query). In their place, all chosen
on dev (reports/LOG.md):
- a document's embedding moves a random part of the way that leads from some other relevant document
  to its query: towards where this document's queries would be;
- an example's target is its own document, or, with probability `nearby`, one drawn from
  softmax(scale <e, e_d>) over all documents, inner products being divided by the starting
  encoder's mean squared norm: what else a query there could have meant.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import best_device
from jointir.encode.matrix import read_matrix
from jointir.encode.precision import autocast, has_bf16
from jointir.errors import InputError
from jointir.generative import losses
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import read_ids
from jointir.generative.model import GenerativeRetriever
from jointir.generative.pairs import Pairs
from jointir.methods.train_decoder import Settings
from jointir.train.training import Training

SCORES = 2**27  # of examples against documents, in memory at a time
NONE = np.empty(0, np.int64)


class Examples:
    """What the decoder learns from: half queries, half documents, with identifiers."""

    def __init__(
        self,
        queries: torch.Tensor,
        relevant: list[np.ndarray],
        docs: torch.Tensor,
        ids: torch.Tensor,
        nearby: float,
        scale: float,
        seed: int,
        barred: list[np.ndarray] | None = None,
    ):
        """queries: float[Q, D], with the rows of their documents. docs: float[N, D]; ids: [N, L].

        nearby: the probability of a document near an example, drawn by `scale`, as its target.
        barred: of each query, rows that are no targets near it.
        """
        self.queries, self.relevant, self.docs, self.ids = queries, relevant, docs, ids
        self.barred = barred or [NONE] * len(queries)
        self.nearby, self.scale, self.seed = nearby, scale, seed

    def __call__(self, step: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings float[batch, D] and identifiers [batch, L], by (seed, step) alone."""
        rng = np.random.default_rng([self.seed, 6, step])
        q = rng.integers(0, len(self.queries), batch // 2)
        d = rng.integers(0, len(self.docs), batch - len(q))
        own = np.concatenate([self._relevant(q, rng), d])
        e = torch.cat([self.queries[q], self._moved(d, rng)])
        drawn = torch.from_numpy(rng.random((batch, 1), np.float32)).to(e.device)
        rows = max(1, SCORES // len(self.docs))
        barred = [self.barred[i] for i in q] + [NONE] * len(d)
        part = [barred[at : at + rows] for at in range(0, batch, rows)]
        parts = map(self._near, e.split(rows), drawn.split(rows), part)
        keep = torch.from_numpy(rng.random(batch) >= self.nearby).to(e.device)
        target = torch.where(keep, torch.from_numpy(own).to(e.device), torch.cat([*parts]))
        return e, self.ids[target]

    def _near(self, e: torch.Tensor, drawn: torch.Tensor, barred: list[np.ndarray]) -> torch.Tensor:
        """Return documents int64[n] near float[n, D], by uniform numbers float[n, 1] in [0, 1).

        Inverse transform sampling: the same draw on every device. barred: of each, the rows that
        are not drawn.
        """
        scores = self.scale * e @ self.docs.T  # [n, N]
        at = torch.from_numpy(np.repeat(np.arange(len(barred)), [len(b) for b in barred]))
        scores[at, torch.from_numpy(np.concatenate(barred))] = -torch.inf
        near = scores.softmax(1).cumsum(1)
        found = torch.searchsorted(near, drawn * near[:, -1:])
        return found[:, 0].clamp(max=len(self.docs) - 1)

    def _relevant(self, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.array([rng.choice(self.relevant[i]) for i in q], np.int64)

    def _moved(self, d: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        q = rng.integers(0, len(self.queries), len(d))
        way = self.queries[q] - self.docs[self._relevant(q, rng)]
        part = torch.from_numpy(rng.random((len(d), 1), np.float32)).to(way.device)
        e = self.docs[d]
        return normalize(e + part * way, dim=1) * e.norm(dim=1, keepdim=True)


def train_decoder(
    collection: Path,
    model: Path,
    ids: Path,
    docs: Path,
    out: Path,
    scratch: Path,
    settings: Settings,
) -> None:
    """Train the decoder of `model` for the identifiers `ids`; write the whole model to `out`.

    docs: float[N, D], the collection's embeddings by the model's own encoder. `holdout` and `seed`
    have to be those of the `asi` stage that made it.

    Raises:
        InputError: `ids` or `docs` are of another collection.
    """
    training = Training("train-decoder", locals())
    codes, matrix = read_ids(ids)[1], read_matrix(docs).astype(np.float32)
    if len(codes) != len(matrix):
        found = f"holds {len(matrix)} embeddings, {ids} {len(codes)} identifiers"
        raise InputError(docs, found, "Assign identifiers again")
    seed, nearby = settings.seed, settings.nearby
    torch.manual_seed(seed)
    retriever = GenerativeRetriever.load(model).to(best_device())
    device, kept = retriever.encoder.device, seen_documents(len(codes), settings.holdout, seed)
    pairs = Pairs(collection, retriever.encoder, kept, seed)
    bf16 = has_bf16(device)
    queries = embed_texts(retriever.encoder, pairs.queries, "query", BATCH_TOKENS, bf16)
    tensors = (torch.tensor(a, device=device) for a in (queries, matrix[kept], codes[kept]))
    e_q, e_d, targets = tensors
    barred = [np.setdiff1d(*rows) for rows in zip(pairs.never, pairs.relevant, strict=True)]
    factor = settings.scale / retriever.unit
    examples = Examples(e_q, pairs.relevant, e_d, targets, nearby, factor, seed, barred)
    decoder = retriever.decoder

    def loss_of(step: int) -> torch.Tensor:
        e, target = examples(step, settings.batch)
        with autocast(device, bf16):
            log_p = decoder(e, target)
        return losses.generation(log_p, target)

    weights = list(decoder.parameters())
    groups = [{"params": weights}]
    training.run(decoder, groups, loss_of, weights, lambda: retriever.save(out))
