"""Queries drawn from a generator, token by token: top-k sampling, as docT5query's (k = 10)."""

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache

from jointir.expand.copying import OTHER
from jointir.expand.generator import Generator
from jointir.expand.sources import Source, Sources

GOING = 0.75  # share of queries that go on, below which the finished ones are taken out


def drawn(p: torch.Tensor, top_k: int) -> torch.Tensor:
    """Return int64[R], a place drawn for each distribution float[R, W] of its top_k likeliest.

    By torch's own generator of random numbers.
    """
    best, places = p.topk(min(top_k, p.shape[1]), 1)
    return places.gather(1, torch.multinomial(best, 1))[:, 0]


@torch.inference_mode()
def sample(model: Generator, source: Source, n: int, top_k: int) -> list[list[list[int]]]:
    """Return n queries for each of B sources, as tokens without the end."""
    memory = model.memory(source)
    # the token at each place of the extended vocabulary, of each source
    known = torch.cat([model.vocabulary.expand(len(memory), -1), source.tokens], 1)
    x = model.words(source.tokens.new_full((len(memory), 1), model.bos))
    past = EncoderDecoderCache(DynamicCache(), DynamicCache())
    h, past = model.decoded(x, memory, source.valid, past)
    past.batch_repeat_interleave(n)
    of = torch.arange(len(memory), device=memory.device).repeat_interleave(n)  # [B n]
    h, x, valid, pointed = h[of], x[of], source.valid[of], model.pointed(memory, source).of(of)
    rows, going = torch.arange(len(of), device=of.device), torch.ones_like(of, dtype=torch.bool)
    last, found = torch.full_like(of, model.bos), [[] for _ in of]
    for step in range(model.encoder.max_length["query"]):
        if step:
            x = model.words(last)[:, None]  # [R, 1, D]
            h, past = model.decoded(x, pointed.memory, valid, past)
        p = model.distribution(h, x, pointed)[:, 0]
        p[:, OTHER] = 0
        last = known[of[rows], drawn(p, top_k)]
        going &= last != model.eos
        for row, token in zip(rows[going].tolist(), last[going].tolist(), strict=True):
            found[row].append(token)
        if not going.any():
            break
        if going.float().mean() < GOING:
            on = going.nonzero()[:, 0]
            past.batch_select_indices(on)
            rows, last, going = rows[on], last[on], going[on]
            valid, pointed = valid[on], pointed.of(on)
    return [found[at : at + n] for at in range(0, len(found), n)]


class Trained:
    """Writes queries by a generator that the `doc2query` stage trained."""

    def __init__(self, model: Generator):
        self.model = model.eval()

    def __call__(self, texts: list[str], n: int, top_k: int) -> list[list[str]]:
        """Return n queries for each document."""
        source = Sources(self.model.encoder, texts)(np.arange(len(texts)))
        decode = self.model.encoder.model.tokenizer.decode
        return [[decode(q) for q in own] for own in sample(self.model, source, n, top_k)]
