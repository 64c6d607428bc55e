"""SEAL's beam search: n-grams that occur in the documents, written for queries."""

from typing import NamedTuple

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache

from jointir.expand.generator import LEAST, Generator
from jointir.expand.sources import Source
from jointir.generative.ngrams import Following, Found, NGrams


class Written(NamedTuple):
    """Of a query, n-grams that occur, none twice, and float64[R], log P(n | q) of each."""

    found: Found
    log_p: np.ndarray


class _State:
    """The decoder after the hypotheses of a beam: R of them, for B queries."""

    def __init__(self, model: Generator, source: Source):
        self.model, self.memory = model, model.memory(source)
        self.pointed, self.valid = model.pointed(self.memory, source), source.valid
        self.past = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self.known = model.vocabulary.cpu().numpy()
        self._next(np.full(len(source.tokens), model.bos))

    def _next(self, tokens: np.ndarray) -> None:
        x = self.model.words(torch.from_numpy(tokens).to(self.memory.device)[:, None])
        h, self.past = self.model.decoded(x, self.pointed.memory, self.valid, self.past)
        p = self.model.distribution(h, x, self.pointed)[:, 0, : len(self.known)]
        self.log_p = p.clamp(min=LEAST).log().double().cpu().numpy()  # [R, V]

    def follow(self, rows: np.ndarray, places: np.ndarray) -> None:
        """Write on: the hypotheses int64[r] of these, each with the token at a place of V."""
        at = torch.from_numpy(rows).to(self.memory.device)
        self.past.batch_select_indices(at)
        self.pointed, self.valid = self.pointed.of(at), self.valid[at]
        self._next(self.known[places])


@torch.inference_mode()
def write_ngrams(
    model: Generator, source: Source, index: NGrams, beam: int, unigrams: int
) -> list[Written]:
    """Return, for each of B queries, all n-grams that were in the beam at any length.

    A text of the index is one of places in the model's vocabulary, where its end is the BORDER. P
    is the decoder's own, which n-grams that do not occur have a part of. unigrams: of n-grams of
    one token, so many of the likeliest beside the beam's.
    """
    B = len(source.tokens)
    state, kept = _State(model, source), []
    query, total = np.arange(B), np.zeros(B)
    step = _each(index.first(), B)
    for length in range(index.L):
        value = total[step.rows] + state.log_p[step.rows, step.token]
        wide = max(beam, unigrams) if not length else beam
        best = _best(query[step.rows], value, wide)
        kept.append((query[step.rows[best]], step.longer.of(best), value[best]))
        best = best if length else best[_best(query[step.rows[best]], value[best], beam)]
        if length + 1 == index.L or not len(best):
            break
        query, total = query[step.rows[best]], value[best]
        state.follow(step.rows[best], step.token[best])
        step = index.following(step.longer.of(best))
    return _by_query(kept, B)


def _each(first: Following, B: int) -> Following:
    """Return what may come first of each of B queries."""
    n = len(first.token)
    longer = Found(*(np.tile(part, B) for part in first.longer))
    return Following(np.repeat(np.arange(B), n), np.tile(first.token, B), longer)


def _best(query: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    """Return the rows of the n highest values of each query, queries in order, best first."""
    order = np.lexsort((-value, query))
    rank = np.arange(len(order)) - np.searchsorted(query[order], query[order])
    return order[rank < n]


def _by_query(kept: list[tuple[np.ndarray, Found, np.ndarray]], B: int) -> list[Written]:
    query = np.concatenate([part[0] for part in kept])
    found = Found(*(np.concatenate(column) for column in zip(*(p[1] for p in kept), strict=True)))
    log_p = np.concatenate([part[2] for part in kept])
    return [Written(found.of(query == b), log_p[query == b]) for b in range(B)]
