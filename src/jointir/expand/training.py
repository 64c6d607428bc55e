"""The `doc2query` stage: a generator learns to write a query, given its relevant document's text.

Train pairs alone: queries of the split train, and documents relevant to them. Dev tells which
weights are kept, by the mean log-probability that its queries' tokens have.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.expand.copying import written
from jointir.expand.generator import Generator, ends
from jointir.expand.sources import Sources
from jointir.methods.arguments import DevOptions
from jointir.methods.doc2query import Settings
from jointir.train.dev import read_dev
from jointir.train.loop import decayed
from jointir.train.order import shuffled
from jointir.train.pairs import TrainingPairs, training_pairs
from jointir.train.training import Training
from jointir.train.validation import Validation

MEASURE = "log p"  # of a dev query's tokens, the mean
PART = 64  # dev queries at a time


def bare(encoder: DualEncoder, queries: list[str]) -> list[list[int]]:
    """Return the tokens of queries, without prompt and special ones, and with room for an end."""
    known = encoder.model.tokenizer
    clean = [q.encode("utf-8", "replace").decode() for q in queries]
    options = {"truncation": True, "max_length": encoder.max_length["query"] - 1}
    found = known(clean, add_special_tokens=False, return_attention_mask=False, **options)
    special = set(known.all_special_ids)
    return [[t for t in own if t not in special] for own in found["input_ids"]]


def doc2query(
    collection: Path,
    encoder: Path,
    out: Path,
    scratch: Path,
    settings: Settings,
    out_curve: Path | None = None,
    validate_every: int = 0,
    patience: int = 0,
    dev_queries: int = 1000,
) -> None:
    """Train a generator of queries and write it to the folder `out`.

    encoder: its states are what the decoder reads; it stays as it is. out_curve, validate_every,
    patience, dev_queries: as of every training that is measured on dev, here by the log-probability
    of dev's queries; with `validate_every` 0 the last weights are kept.

    Raises:
        InputError: there is no training pair, or the encoder's tokenizer has no end of a text.
    """
    training = Training("doc2query", locals())
    torch.manual_seed(settings.seed)
    dual = DualEncoder.load(encoder).to(best_device()).eval()
    dual.max_length["document"] = settings.source_length
    pairs = training_pairs(collection)
    bodies = document_texts(read_corpus(collection))
    queries = bare(dual, pairs.texts)
    model = Generator(dual, written(queries, ends(dual)[1]), settings.layers).to(dual.device)
    draw = _Batches(dual, pairs, queries, bodies, settings)
    bf16 = has_bf16(dual.device)

    def loss_of(step: int) -> torch.Tensor:
        source, wanted = draw(step)
        with autocast(dual.device, bf16):
            log_p, counts = model.log_p(source, wanted)
        return -log_p[counts].mean()

    chooser = None
    if validate_every:
        options = DevOptions(dev_queries=dev_queries)
        values = _on_dev(model, collection, bodies, options)
        groups = np.zeros(values().shape[1], np.int64)
        chooser = Validation(values, groups, [MEASURE], validate_every, patience)
    weights = [p for p in model.parameters() if p.requires_grad]
    training.run(model, decayed(weights), loss_of, weights, lambda: model.save(out), chooser)


class _Batches:
    """Draws batch `step`, a function of (seed, step) alone."""

    def __init__(
        self,
        encoder: DualEncoder,
        pairs: TrainingPairs,
        queries: list[list[int]],
        bodies: list[str],
        settings: Settings,
    ):
        self.pairs, self.queries, self.settings = pairs, queries, settings
        used = np.unique(np.concatenate([self._rows(step) for step in range(settings.steps)]))
        docs = np.unique(np.concatenate([pairs.positives[row] for row in used]))
        self.place = {row: at for at, row in enumerate(docs.tolist())}
        self.sources = Sources(encoder, [bodies[row] for row in docs], cached=True)

    def _rows(self, step: int) -> np.ndarray:
        return shuffled(len(self.queries), self.settings.batch, step, self.settings.seed)

    def __call__(self, step: int) -> tuple:
        """Return the sources of the batch, and the tokens of its queries."""
        rng = np.random.default_rng([self.settings.seed, 7, step])
        rows = self._rows(step)
        docs = [self.place[int(rng.choice(self.pairs.positives[row]))] for row in rows]
        return self.sources(np.array(docs)), [self.queries[row] for row in rows]


def _on_dev(
    model: Generator, collection: Path, bodies: list[str], options: DevOptions
) -> Callable[[], np.ndarray]:
    """Return a function that returns float[1, Q]: the mean log p of each dev query's tokens.

    Given the first document with text that is relevant to it; a query without one is left out.
    """
    dev = read_dev(collection, options)
    row = {doc_id: at for at, doc_id in enumerate(dev.doc_ids)}
    relevant = dev.qrels[dev.qrels["relevance"].gt(0)].groupby("query_id")["doc_id"].agg(list)
    pairs = []
    for query_id, tokens in zip(dev.query_ids, bare(model.encoder, dev.texts), strict=True):
        rows = [row[d] for d in relevant[query_id] if d in row and bodies[row[d]]]
        pairs += [(tokens, rows[0])] if rows else []
    queries = [tokens for tokens, _ in pairs]
    sources = Sources(model.encoder, [bodies[at] for _, at in pairs], cached=True)

    @torch.inference_mode()
    def values() -> np.ndarray:
        model.eval()
        found = []
        for rows in np.split(np.arange(len(queries)), range(PART, len(queries), PART)):
            log_p, counts = model.log_p(sources(rows), [queries[i] for i in rows])
            found.append((log_p * counts).sum(1) / counts.sum(1))
        return torch.cat(found).cpu().numpy()[None]

    return values
