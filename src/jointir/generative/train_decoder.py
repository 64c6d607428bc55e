"""The `train-decoder` stage: the decoder learns the identifiers that the documents ended up with.

While encoder and indexing module train, identifiers move, and most embeddings in the banks are
older than the encoder. Here both are frozen and every embedding is exact, so that a step costs no
encoding: eq. 2 alone, for the decoder alone.

The paper's decoder sees ten generated queries a document (docT5query). In their place, all chosen
on dev (reports/LOG.md):
- a document's embedding moves a random part of the way that leads from some other relevant document
  to its query: towards where this document's queries would be;
- sentences of documents, embedded as queries;
- an example's target is its own document and, with the weight `nearby`, those near it, by
  softmax(scale <e, e_d>), inner products being divided by the starting encoder's mean squared norm:
  what else a query there could have meant. The decoder learns the distribution of tokens that these
  documents have together (targets.py).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import normalize

from jointir.basics.errors import InputError
from jointir.encode.encoder import best_device
from jointir.encode.matrix import read_matrix
from jointir.encode.precision import autocast, has_bf16
from jointir.generative import losses
from jointir.generative.decoder import Decoder
from jointir.generative.dev import State, embedded, identifier_validation
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import read_ids
from jointir.generative.mixture import Mixture, mixture, passes
from jointir.generative.model import GenerativeRetriever
from jointir.generative.pairs import Pairs
from jointir.generative.targets import soft_targets
from jointir.methods.arguments import UNMEASURED, DevOptions
from jointir.methods.train_decoder import RANDOM, Settings
from jointir.train.training import Training

SCORES = 2**27  # of examples against documents, in memory at a time
NEAR = 64  # documents near an example that are in its targets
A_DOCUMENT = 1  # sentences that are embedded, at most
NONE = np.empty(0, np.int64)


class Sentences(NamedTuple):
    """e: float[S, D], sentences embedded as queries; rows: int64[S], the document of each."""

    e: torch.Tensor
    rows: np.ndarray


class Examples:
    """What the decoder learns from: queries, documents and sentences of documents."""

    def __init__(
        self,
        queries: torch.Tensor,
        relevant: list[np.ndarray],
        docs: torch.Tensor,
        ids: torch.Tensor,
        V: int,
        nearby: float,
        scale: float,
        seed: int,
        barred: list[np.ndarray] | None = None,
        sentences: Sentences | None = None,
        real: int | None = None,
    ):
        """queries: float[Q, D], with the rows of their documents. docs: float[N, D]; ids: [N, L].

        nearby: the weight of the documents near an example, by `scale`, in its targets. barred: of
        each query, rows that are no targets near it. real: how many of the queries, the first, are
        no generated ones; None: all.
        """
        self.queries, self.relevant, self.docs, self.ids, self.V = queries, relevant, docs, ids, V
        self.barred = barred or [NONE] * len(queries)
        self.nearby, self.scale, self.seed, self.sentences = nearby, scale, seed, sentences
        self.real = len(queries) if real is None else real

    def __call__(self, step: int, of: Mixture) -> tuple[torch.Tensor, ...]:
        """Return embeddings float[B, D], a path int64[B, L] and targets float[B, L, V].

        Queries, documents and sentences, as many as `of` says, by (seed, step) alone. Of the
        queries, half are generated where there are such. Targets are as `soft_targets` has them.
        """
        rng = np.random.default_rng([self.seed, 6, step])
        q = rng.integers(0, self.real, of.queries)
        if made := len(self.queries) - self.real:
            q[::2] = self.real + rng.integers(0, made, len(q[::2]))
        d = rng.integers(0, len(self.docs), of.documents)
        own, e = [self._relevant(q, rng), d], [self.queries[q], self._moved(d, of.moved, rng)]
        if of.sentences:
            s = rng.integers(0, len(self.sentences.rows), of.sentences)
            own.append(self.sentences.rows[s])
            e.append(self.sentences.e[s])
        return self._targets(torch.cat(e), np.concatenate(own), q, rng)

    def _targets(
        self, e: torch.Tensor, own: np.ndarray, q: np.ndarray, rng: np.random.Generator
    ) -> tuple[torch.Tensor, ...]:
        drawn = torch.from_numpy(rng.random((len(e), 1), np.float32)).to(e.device)
        barred = [self.barred[i] for i in q] + [NONE] * (len(e) - len(q))
        rows = max(1, SCORES // len(self.docs))
        part = [barred[at : at + rows] for at in range(0, len(e), rows)]
        found = [self._near(*pair) for pair in zip(e.split(rows), part, strict=True)]
        p, near = (torch.cat(column) for column in zip(*found, strict=True))
        rows = torch.from_numpy(own).to(e.device)[:, None]
        p = torch.cat([torch.full_like(p[:, :1], 1 - self.nearby), self.nearby * p], 1)
        return e, *soft_targets(p, self.ids[torch.cat([rows, near], 1)], drawn, self.V)

    def _near(self, e: torch.Tensor, barred: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return p float[n, k] and rows int64[n, k] of the NEAR documents nearest to float[n, D].

        barred: of each, the rows that are none of them.
        """
        scores = self.scale * e @ self.docs.T  # [n, N]
        at = torch.from_numpy(np.repeat(np.arange(len(barred)), [len(b) for b in barred]))
        scores[at, torch.from_numpy(np.concatenate(barred))] = -torch.inf
        best, rows = scores.topk(min(NEAR, scores.shape[1]), 1)
        return best.softmax(1), rows

    def _relevant(self, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.array([rng.choice(self.relevant[i]) for i in q], np.int64)

    def _moved(self, d: np.ndarray, most: float, rng: np.random.Generator) -> torch.Tensor:
        q = rng.integers(0, self.real, len(d))
        way = self.queries[q] - self.docs[self._relevant(q, rng)]
        part = most * torch.from_numpy(rng.random((len(d), 1), np.float32)).to(way.device)
        return moved(self.docs[d], way, part)


def moved(e: torch.Tensor, way: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Return embeddings float[B, D], as long as before, a `part` float[B, 1] of their `way` on."""
    return normalize(e + part * way, dim=1) * e.norm(dim=1, keepdim=True)


def train_decoder(
    collection: Path,
    model: Path,
    ids: Path,
    docs: Path,
    out: Path,
    scratch: Path,
    settings: Settings,
    generated: Path | None = None,
    dev: DevOptions = UNMEASURED,
) -> None:
    """Train the decoder of `model` for the identifiers `ids`; write the whole model to `out`.

    docs: float[N, D], the collection's embeddings by the model's own encoder. `holdout` and `seed`
    have to be those of the `asi` stage that made it.

    generated: queries of the `expand` stage, which make half of the queries of a batch, as in the
    paper, which has generated queries of docT5query for every document.

    dev is measured on the way, and the best of the decoder's weights are kept.

    Raises:
        InputError: `ids`, `docs` or `generated` are of another collection.
    """
    training = Training("train-decoder", locals())
    codes, matrix = read_ids(ids)[1], read_matrix(docs).astype(np.float32)
    if len(codes) != len(matrix):
        found = f"holds {len(matrix)} embeddings, {ids} {len(codes)} identifiers"
        raise InputError(docs, found, "Assign identifiers again")
    seed = settings.seed
    torch.manual_seed(seed)
    retriever = GenerativeRetriever.load(model).to(best_device())
    device, kept = retriever.encoder.device, seen_documents(len(codes), settings.holdout, seed)
    ids_of, e_d = (torch.tensor(a[kept], device=device) for a in (codes, matrix))
    pairs = Pairs(collection, retriever.encoder, kept, seed, generated)
    examples = _examples(pairs, retriever, ids_of, e_d, settings)
    decoder = retriever.decoder
    decoder.begin(ids_of, _start(e_d, settings), settings.scale)

    def measured(texts: list[str]) -> Callable[[], State]:
        e = embedded(retriever.encoder, texts)
        return lambda: State(e, codes[kept], decoder.eval())

    loss_of = partial(_loss, decoder, examples, settings)
    weights = list(decoder.parameters())
    groups = [{"params": weights}]
    validation = identifier_validation(collection, dev, kept, measured)
    training.run(decoder, groups, loss_of, weights, lambda: retriever.save(out), validation)


def _loss(decoder: Decoder, examples: Examples, settings: Settings, step: int) -> torch.Tensor:
    """Return the loss of a step: eq. 2, and with `consistency` how far two passes are apart."""
    e, path, soft = examples(step, mixture(settings, step))
    with autocast(e.device, has_bf16(e.device)):
        found = [decoder(x, path) for x in passes(e, settings, step)]
    loss = sum(losses.cross_entropy(log_p, soft) for log_p in found) / len(found)
    if settings.consistency:
        loss = loss + settings.consistency * losses.consistency(*found)
    return loss


def _start(docs: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Return what the decoder's vectors start from, float[n, D]: `docs`, or others as long."""
    if settings.vectors != RANDOM:
        return docs
    rng = np.random.default_rng([settings.seed, 8])
    drawn = torch.from_numpy(rng.standard_normal(docs.shape, np.float32)).to(docs.device)
    return normalize(drawn, dim=1) * docs.norm(dim=1, keepdim=True)


def _examples(
    pairs: Pairs,
    retriever: GenerativeRetriever,
    ids: torch.Tensor,
    docs: torch.Tensor,
    settings: Settings,
) -> Examples:
    """Return the examples of a training.

    ids: int64[n, L] and docs: float[n, D], of the documents that it sees.
    """
    queries, sentences = embedded(retriever.encoder, pairs.queries), None
    if settings.sentences:
        wanted = min(settings.steps * settings.sentences, A_DOCUMENT * len(docs))
        texts, rows = pairs.sentences(wanted)
        sentences = Sentences(embedded(retriever.encoder, texts), rows)
    barred = [np.setdiff1d(*rows) for rows in zip(pairs.never, pairs.relevant, strict=True)]
    given = (queries, pairs.relevant, docs, ids, retriever.indexer.V, settings.nearby)
    scale = settings.scale / retriever.unit
    return Examples(*given, scale, settings.seed, barred, sentences, pairs.real)
