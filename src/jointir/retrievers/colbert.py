"""The `colbert` stage: train late interaction on BM25's negatives and the batch's."""

from pathlib import Path

import numpy as np
import torch

from jointir.encode.embed import BATCH_TOKENS
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.methods.shared import LABELLED
from jointir.retrievers.late import LateInteraction
from jointir.retrievers.late_search import search
from jointir.train.batches import bm25_batches
from jointir.train.dev import UNSAMPLED, SampleOptions, sampled_validation
from jointir.train.dual_encoder import star_loss
from jointir.train.training import Training


def colbert(
    collection: Path,
    encoder: Path,
    out: Path,
    scratch: Path,
    dim: int,
    steps: int,
    batch: int,
    lr: float,
    head_lr: float,
    warmup: int,
    random_weight: float,
    depth: int,
    seed: int,
    mined_from: str = LABELLED,
    checkpoint_minutes: float = 5,
    dev: SampleOptions = UNSAMPLED,
) -> None:
    """Train a ColBERT from `encoder` and write it to the folder `out`.

    dim: of a token's embedding. head_lr: of the projection, which starts at random. The loss is
    STAR's over BM25's negatives: that of ColBERT's authors, pair-wise on triples of BM25, and the
    other documents of the batch. Scores have no scale: a query's tokens add up. The other options
    are those of the `dual` stage.
    """
    training = Training("colbert", locals())
    device = best_device()
    model = LateInteraction.start(DualEncoder.load(encoder), dim, seed).to(device)
    sampler = bm25_batches(model, collection, batch, steps, depth, seed, mined_from)
    bf16 = has_bf16(device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = sampler(step)
        with autocast(device, bf16):
            scores = model.scores(q, d)  # [B, 2B]
        return star_loss(scores, relevant.to(device), random_weight)

    weights = [p for p in model.parameters() if p is not model.projection]
    groups = [{"params": weights}, {"params": [model.projection], "lr": head_lr}]
    clip = [*weights, model.projection]

    def rank(queries: list[str], docs: list[str], k: int) -> np.ndarray:
        return search(model.eval(), queries, docs, k, BATCH_TOKENS)[1]

    chooser = sampled_validation(collection, dev, rank)
    training.run(model, groups, loss_of, clip, lambda: model.save(out), chooser)
