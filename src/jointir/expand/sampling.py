"""Queries drawn from a generator, token by token: top-k sampling, as docT5query's (k = 10)."""

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache

from jointir.expand.copying import OTHER
from jointir.expand.generator import Generator
from jointir.expand.sources import Source, Sources


def drawn(p: torch.Tensor, top_k: int) -> torch.Tensor:
    """Return int64[...], a place drawn for each distribution float[..., W] of its top_k likeliest.

    By torch's own generator of random numbers.
    """
    best, places = p.topk(min(top_k, p.shape[-1]), -1)
    chosen = torch.multinomial(best.flatten(0, -2), 1).view(*best.shape[:-1], 1)
    return places.gather(-1, chosen)[..., 0]


@torch.inference_mode()
def sample(model: Generator, source: Source, n: int, top_k: int) -> list[list[list[int]]]:
    """Return n queries for each of B sources, as tokens without the end.

    All n of a source are written side by side: they share the states that they attend to.
    """
    B, length = len(source.tokens), model.encoder.max_length["query"]
    memory = model.memory(source)
    # the token at each place of the extended vocabulary, of each source
    own = model.vocabulary.expand(B, -1)
    known = torch.cat([own, source.tokens], 1)  # [B, V + T]
    wide, valid = memory.repeat_interleave(n, 0), source.valid.repeat_interleave(n, 0)
    past = EncoderDecoderCache(DynamicCache(), DynamicCache())
    last = torch.full((B, n), model.bos, device=memory.device)
    done = torch.zeros(B, n, dtype=torch.bool, device=memory.device)
    found = []
    for _ in range(length):
        x = model.words(last)  # [B, n, D]
        h, past = model.decoded(x.flatten(0, 1)[:, None], wide, valid, past)
        p = model.distribution(h.view(B, n, -1), x, memory, source)
        p[..., OTHER] = 0
        last = known.gather(1, drawn(p, top_k))
        last = last.masked_fill(done, model.eos)
        found.append(last)
        done |= last == model.eos
        if done.all():
            break
    written = torch.stack(found, 2).cpu().numpy()  # [B, n, t]
    return [[_until(row, model.eos) for row in rows] for rows in written]


def _until(tokens: np.ndarray, eos: int) -> list[int]:
    """Return the tokens before the first end."""
    ends = np.flatnonzero(tokens == eos)
    return tokens[: ends[0] if len(ends) else None].tolist()


class Trained:
    """Writes queries by a generator that the `doc2query` stage trained."""

    def __init__(self, model: Generator):
        self.model = model.eval()

    def __call__(self, texts: list[str], n: int, top_k: int) -> list[list[str]]:
        """Return n queries for each document."""
        source = Sources(self.model.encoder, texts)(np.arange(len(texts)))
        decode = self.model.encoder.model.tokenizer.decode
        return [[decode(q) for q in own] for own in sample(self.model, source, n, top_k)]
