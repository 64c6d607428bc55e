"""Train an encoder of queries and documents on hard negatives, if any, and those of its batch."""

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


def margin_loss(scores: torch.Tensor, relevant: torch.Tensor) -> torch.Tensor:
    """Return RepBERT's loss for a batch of B queries: by how much negatives come within a margin.

    The mean over queries of sum_j max(0, 1 - s_own + s_j) / B over the batch's negatives j. Source:
    Zhan et al. 2020 (RepBERT), torch's MultiLabelMarginLoss in their code. There every relevant
    document of the batch is a positive, here a query's own alone: the others are no negatives.

    scores: float[B, B], column b the positive of query b. relevant: bool[B, B], the pairs that are
    never negatives: the positives are among them.
    """
    errors = (1 - scores.diagonal()[:, None] + scores).clamp(min=0)
    return (errors * ~relevant).sum(1).mean() / len(scores)


def fit(
    training: Training,
    batches: Batches,
    factor: float,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    chooser: Validation | None,
    save: Callable[[], None],
) -> None:
    """Train the model of `batches` on them.

    factor: on inner products as they are. loss: of a batch's scores and of which pairs are never
    negatives, as `margin_loss` and, with its weight, `star_loss`. chooser: of the weights that are
    kept. save: as for `Training.run`.
    """
    model, bf16 = batches.model, has_bf16(batches.model.device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = batches(step)
        with autocast(model.device, bf16):
            scores = embed_together(model, q) @ embed_together(model, d).T  # [B, 2B], or [B, B]
        return loss(factor * scores.float(), relevant.to(model.device))

    weights = list(model.parameters())
    training.run(model, decayed(weights), loss_of, weights, save, chooser)
