"""The training of SEAL: a decoder learns to write n-grams of a query's relevant document.

Bevilacqua et al. 2022, "Autoregressive Search Engines", section 3.1. They fine-tune BART-large,
which our machines lack. In its place stands the generator of doc2query-MiniLM (expand/generator.py)
with a query as what it reads: a frozen encoder, and a small decoder that writes and copies tokens.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.expand.generator import Generator, ends
from jointir.expand.sources import Source, Sources
from jointir.joint.sentences import sentences_of
from jointir.methods.arguments import UNMEASURED, DevOptions, EncoderFiles
from jointir.methods.seal import Settings
from jointir.train.dev import read_dev
from jointir.train.loop import decayed
from jointir.train.order import shuffled
from jointir.train.pairs import training_pairs
from jointir.train.training import Training
from jointir.train.validation import Validation

MEASURE = "log p"  # of a dev n-gram's token, the mean
A_DOCUMENT = 1  # sentences that are encoded, at most
TITLES = 4  # of so many sentences, the place of one has its document's title
PART = 64  # dev n-grams at a time


def bare_documents(encoder: DualEncoder, texts: list[str]) -> list[np.ndarray]:
    """Return the tokens int64[n] of whole documents, without prompt and special ones."""
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
    found = encoder.model.tokenizer(clean, **options)["input_ids"]
    special = list(encoder.model.tokenizer.all_special_ids)
    parts = [np.array(own, np.int64) for own in found]
    return [own[~np.isin(own, special)] for own in parts]


def vocabulary(documents: list[np.ndarray], eos: int) -> np.ndarray:
    """Return int64[V], the tokens that can be written, as a Generator has them: all that occur."""
    return np.concatenate([[eos, -1], np.setdiff1d(np.concatenate(documents), [eos])])


def overlaps(document: np.ndarray, query: np.ndarray, L: int) -> np.ndarray:
    """Return int64[w]: how many distinct tokens of a query each window of L tokens has.

    document: int64[n], of which w = max(1, n - L + 1) windows are made; one, if it is shorter.
    """
    L = min(L, len(document))
    shared = np.zeros(len(document) - L + 1, np.int64)
    for token in np.intersect1d(query, document):
        until = np.append(0, (document == token).cumsum())
        shared += until[L:] > until[: len(shared)]
    return shared


class Targets:
    """Draws n-grams of documents."""

    def __init__(self, documents: list[np.ndarray], settings: Settings):
        """documents: int64[n] each."""
        self.documents, self.L, self.settings = documents, settings.length, settings

    def for_query(self, row: int, query: np.ndarray, rng: np.random.Generator) -> list[int]:
        """Return an n-gram of a document, likelier where it shares tokens int64[q] with a query."""
        found = overlaps(self.documents[row], query, self.L) / self.settings.temperature
        p = np.exp(found - found.max())
        return self._at(row, rng.choice(len(p), p=p / p.sum()))

    def for_sentence(self, row: int, rng: np.random.Generator) -> list[int]:
        """Return any n-gram of a document."""
        return self._at(row, rng.integers(max(1, len(self.documents[row]) - self.L + 1)))

    def _at(self, row: int, begin: int) -> list[int]:
        return self.documents[row][begin : begin + self.L].tolist()


def seal(files: EncoderFiles, settings: Settings, dev: DevOptions = UNMEASURED) -> None:
    """Train a decoder of n-grams and write it to the folder `files.out`.

    Of a batch, some n-grams are for train queries. The others are for a sentence of their own
    document, or its title, as the paper's unsupervised examples. Dev tells which weights are kept,
    by the mean log-probability of tokens of n-grams for its queries.

    Raises:
        InputError: n-grams would be longer than the encoder's queries, a batch is of sentences
            alone, there is no training pair, or the tokenizer has no end of a text.
    """
    training = Training("seal", locals())
    _check(settings)
    torch.manual_seed(settings.seed)
    encoder = DualEncoder.load(files.encoder).to(best_device()).eval()
    if settings.length >= encoder.max_length["query"]:
        found = f"{settings.length}, of an encoder that reads {encoder.max_length['query']}"
        raise InputError("--length", found, "Choose a shorter one, or longer queries")
    corpus = read_corpus(files.collection)
    texts = document_texts(corpus)
    documents = bare_documents(encoder, texts)
    words = vocabulary(documents, ends(encoder)[1])
    model = Generator(encoder, words, settings.layers).to(encoder.device)
    draw = _Batches(encoder, files.collection, corpus["title"].tolist(), texts, documents, settings)
    bf16 = has_bf16(encoder.device)

    def loss_of(step: int) -> torch.Tensor:
        source, wanted = draw(step)
        with autocast(encoder.device, bf16):
            return -log_p(model, source, wanted).mean()

    chooser = None
    if dev.validate_every:
        values = _on_dev(model, files.collection, documents, settings, dev)
        groups = np.zeros(values().shape[1], np.int64)
        chooser = Validation(values, groups, [MEASURE], dev.validate_every, dev.patience)
    weights = [p for p in model.parameters() if p.requires_grad]
    training.run(model, decayed(weights), loss_of, weights, lambda: model.save(files.out), chooser)


def _check(settings: Settings) -> None:
    if settings.sentences >= settings.batch:
        found = f"{settings.sentences} of a batch of {settings.batch}"
        raise InputError("--sentences", found, "Choose fewer, or a larger batch")


def log_p(model: Generator, source: Source, ngrams: list[list[int]]) -> torch.Tensor:
    """Return log P, float[n], of all tokens of n-grams, which have no end."""
    found, counts = model.log_p(source, ngrams)
    return found[:, :-1][counts[:, 1:]]  # without what counts last of each


class _Batches:
    """Draws batch `step`, a function of (seed, step) alone."""

    def __init__(
        self,
        encoder: DualEncoder,
        collection: Path,
        titles: list[str],
        texts: list[str],
        documents: list[np.ndarray],
        settings: Settings,
    ):
        self.settings, self.targets = settings, Targets(documents, settings)
        pairs = training_pairs(collection)
        told = np.flatnonzero([len(own) > 0 for own in documents])
        found = [rows[np.isin(rows, told)] for rows in pairs.positives]
        self.positives = [rows for rows in found if len(rows)]
        queries = [q for q, rows in zip(pairs.texts, found, strict=True) if len(rows)]
        if not queries:
            raise InputError(collection, "no train query has a document with text", "Add some")
        wanted = min(settings.steps * settings.sentences, A_DOCUMENT * len(told))
        sentences, self.rows = sentences_of(texts, told, wanted, settings.seed)
        for at, row in enumerate(self.rows):
            if at % TITLES == 0 and titles[row].strip():
                sentences[at] = titles[row]
        self.tokens = bare_documents(encoder, queries)
        self.sources = Sources(encoder, queries + sentences, cached=True, kind="query")

    def __call__(self, step: int) -> tuple:
        """Return the sources of the batch, and the tokens of its n-grams."""
        own, rng = self.settings, np.random.default_rng([self.settings.seed, 10, step])
        q = shuffled(len(self.tokens), own.batch - own.sentences, step, own.seed)
        s = rng.integers(0, max(1, len(self.rows)), own.sentences)
        wanted = [
            self.targets.for_query(int(rng.choice(self.positives[i])), self.tokens[i], rng)
            for i in q
        ] + [self.targets.for_sentence(self.rows[i], rng) for i in s]
        return self.sources(np.concatenate([q, len(self.tokens) + s])), wanted


def _on_dev(
    model: Generator,
    collection: Path,
    documents: list[np.ndarray],
    settings: Settings,
    options: DevOptions,
) -> Callable[[], np.ndarray]:
    """Return a function that returns float[1, Q]: the mean log p of an n-gram of each dev query.

    It is drawn of the first document with text that is relevant to it; a query without one is left
    out.
    """
    dev = read_dev(collection, options)
    place = {doc_id: row for row, doc_id in enumerate(dev.doc_ids)}
    relevant = dev.qrels[dev.qrels["relevance"].gt(0)].groupby("query_id")["doc_id"].agg(list)
    targets, rng = Targets(documents, settings), np.random.default_rng([settings.seed, 11])
    texts, ngrams = [], []
    bare = bare_documents(model.encoder, dev.texts)
    for query_id, text, tokens in zip(dev.query_ids, dev.texts, bare, strict=True):
        rows = [place[d] for d in relevant[query_id] if d in place and len(documents[place[d]])]
        if rows:
            texts.append(text)
            ngrams.append(targets.for_query(rows[0], tokens, rng))
    sources = Sources(model.encoder, texts, cached=True, kind="query")

    @torch.inference_mode()
    def values() -> np.ndarray:
        model.eval()
        found = []
        for rows in np.split(np.arange(len(ngrams)), range(PART, len(ngrams), PART)):
            own = [ngrams[row] for row in rows]
            parts = log_p(model, sources(rows), own).split([len(ngram) for ngram in own])
            found += [part.mean() for part in parts]
        return torch.stack(found).cpu().numpy()[None]

    return values
