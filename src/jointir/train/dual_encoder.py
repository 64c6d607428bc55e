"""Train an encoder of queries and documents on hard negatives and those of its batch."""

from collections.abc import Callable

import torch
from torch.nn.functional import softplus

from jointir.encode.precision import autocast, has_bf16
from jointir.train.batches import Batches
from jointir.train.loop import decayed
from jointir.train.processes import embed_together
from jointir.train.training import Training
from jointir.train.validation import Validation


def star_loss(scores: torch.Tensor, relevant: torch.Tensor, random_weight: float) -> torch.Tensor:
    """Return L_hard + w L_random for a batch of B queries.

    scores: float[B, 2B], column b the positive of query b, column B + b its hard negative.
    relevant: bool[B, 2B], the pairs that are never negatives: the positives are among them.
    """
    B = len(scores)
    own = torch.arange(B, device=scores.device)
    pairs = softplus(scores - scores[own, own, None])  # [B, 2B]
    hard = pairs[own, B + own]
    random = ~relevant
    random[own, B + own] = False
    return hard.mean() + random_weight * (pairs * random).sum() / random.sum().clamp(min=1)


def fit(
    training: Training,
    batches: Batches,
    factor: float,
    random_weight: float,
    chooser: Validation | None,
    save: Callable[[], None],
) -> None:
    """Train the model of `batches` on them with `star_loss`.

    factor: on inner products as they are. random_weight: of the other documents of the batch.
    chooser: of the weights that are kept. save: as for `Training.run`.
    """
    model, bf16 = batches.model, has_bf16(batches.model.device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = batches(step)
        with autocast(model.device, bf16):
            scores = embed_together(model, q) @ embed_together(model, d).T  # [B, 2B]
        return star_loss(factor * scores.float(), relevant.to(model.device), random_weight)

    weights = list(model.parameters())
    training.run(model, decayed(weights), loss_of, weights, save, chooser)
