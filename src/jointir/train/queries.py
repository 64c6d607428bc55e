"""Batches of queries alone, for trainings whose documents are rows of an index or a matrix."""

from collections.abc import Callable

import numpy as np
import torch

from jointir.encode.encoder import DualEncoder
from jointir.train.order import shuffled
from jointir.train.pairs import TrainingPairs


def pad(rows: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return int64[B, P] and bool[B, P]: lists of unequal length, and which entries are real."""
    P = max(len(r) for r in rows)
    padded = torch.zeros(len(rows), P, dtype=torch.long)
    valid = torch.zeros(len(rows), P, dtype=torch.bool)
    for i, r in enumerate(rows):
        padded[i, : len(r)] = torch.from_numpy(r)
        valid[i, : len(r)] = True
    return padded, valid


def drawn(
    pairs: TrainingPairs, encoder: DualEncoder, batch: int, seed: int
) -> Callable[[int], tuple[list[list[int]], tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]]:
    """Return a function of the step: tokens of B queries, and of `pad` positives and never.

    And int64[B], which of the pairs these are.
    """
    texts, *rows_of = pairs[:3]
    device = encoder.device

    def draw(step: int) -> tuple:
        chosen = shuffled(len(texts), batch, step, seed)
        tokens = encoder.tokenize([texts[i] for i in chosen], "query")
        padded = (pad([rows[i] for i in chosen]) for rows in rows_of)
        return tokens, *(tuple(t.to(device) for t in both) for both in padded), chosen

    return draw
