"""Sentences of documents that no train query asks for: queries that distillation learns with.

A training moves the query encoder for the queries that it sees. Those of documents without a train
query it does not see, and these lose (reports/LOG.md, 2026-11-29). A sentence of such a document is
no query of a user, but asks for it; its exact scores by the starting encoder need no label.
"""

import re
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jointir.data.store import document_texts, labelled, read_about, read_corpus
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder

END = re.compile(r"(?<=[.!?])\s+")
LEAST, MOST = 4, 24  # words of a sentence; a longer one is cut
PASSES = 3  # over the sentences in a training; once over as many more was no better on dev


class Sentences(NamedTuple):
    """n sentences, from which each step of a training takes the next S.

    tokens: of each. rows: int64[n], the document that each is of. teacher: float32[n, D], their
    embeddings by the starting encoder.
    """

    tokens: list[list[int]]
    rows: np.ndarray
    teacher: np.ndarray

    def of(self, step: int, S: int) -> "Sentences":
        """Return the S of one step; the first follow the last."""
        own = np.arange(step * S, (step + 1) * S) % len(self.tokens)
        return Sentences([self.tokens[i] for i in own], self.rows[own], self.teacher[own])


def sentence(text: str, rng: np.random.Generator) -> str:
    """Return a sentence of LEAST words of a text, drawn; the text where there is none."""
    found = [part for part in END.split(text) if len(part.split()) >= LEAST]
    chosen = found[rng.integers(len(found))] if found else text
    return " ".join(chosen.split()[:MOST])


def sentences_of(
    texts: list[str], among: np.ndarray, n: int, seed: int
) -> tuple[list[str], np.ndarray]:
    """Return n sentences and int64[n], the rows of their texts; drawn from the rows `among`."""
    rng = np.random.default_rng([seed, 8])
    rows = rng.choice(among, n)
    return [sentence(texts[row], rng) for row in rows], rows


def draw(collection: Path, n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return n sentences and int64[n], the rows of their documents; a function of the seed.

    Of documents that are not relevant to a train query, or, where each is, of any document.
    """
    corpus, empty = read_corpus(collection), read_about(collection).empty
    text = ~corpus["doc_id"].isin(empty).to_numpy()
    free = text & ~corpus["doc_id"].isin(labelled(collection)).to_numpy()
    among = np.flatnonzero(free if free.any() else text)
    return sentences_of(document_texts(corpus), among, n, seed)


def embedded_sentences(
    collection: Path, encoder: DualEncoder, steps: int, S: int, seed: int, bf16: bool
) -> Sentences:
    """Return sentences for `steps` of S each, in PASSES passes, embedded by `encoder` as it is."""
    texts, rows = draw(collection, ceil(steps * S / PASSES), seed)
    teacher = embed_texts(encoder.eval(), texts, "query", BATCH_TOKENS, bf16)
    return Sentences(encoder.tokenize(texts, "query"), rows, teacher)
