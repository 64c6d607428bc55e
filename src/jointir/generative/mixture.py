"""What a batch of `train-decoder` is made of, which may change on the way."""

from typing import NamedTuple

import numpy as np
import torch

from jointir.methods.train_decoder import Settings


class Mixture(NamedTuple):
    """Numbers of examples. moved: the most of the way that the documents' embeddings move."""

    queries: int
    documents: int
    sentences: int
    moved: float = 1.0


def mixture(settings: Settings, step: int) -> Mixture:
    """Return what the batch of a step, from 0, is made of.

    With `general` or `search`, these are the three stages of Ultron (Zhou et al. 2022), one after
    the other. There the first learns from passages and terms, here from documents as they are and
    from their sentences; the second from generated queries, here from documents that move towards
    where their queries would be; the third from train queries.
    """
    batch, done = settings.batch, step / settings.steps
    if not settings.general + settings.search:
        rest = batch - settings.queries - settings.sentences
        return Mixture(settings.queries, rest, settings.sentences, settings.moved)
    if done < settings.general:
        return Mixture(0, batch - settings.sentences, settings.sentences, 0.0)
    if done < settings.general + settings.search:
        return Mixture(0, batch, 0, settings.moved)
    return Mixture(batch, 0, 0)


def passes(e: torch.Tensor, settings: Settings, step: int) -> list[torch.Tensor]:
    """Return float[B, D] as the decoder sees it: once, or twice where passes are compared.

    Without the share `dropout` of their components, of which the others grow, as in training by
    dropout; by (seed, step) alone.
    """
    if not settings.dropout:
        return [e]
    rng, kept = np.random.default_rng([settings.seed, 7, step]), 1 - settings.dropout
    drawn = rng.random((2 if settings.consistency else 1, *e.shape), np.float32)
    return [e * (torch.from_numpy(one).to(e.device) < kept) / kept for one in drawn]
