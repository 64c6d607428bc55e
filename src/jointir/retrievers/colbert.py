"""The `colbert` stage: train late interaction on BM25's negatives and the batch's."""

from pathlib import Path

import numpy as np
import torch

from jointir.encode.dev import BATCH_TOKENS, Settings, sampled_validation
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.pairs import LABELLED
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.star import star_loss
from jointir.encode.training import Checkpoint, fingerprint, train
from jointir.encode.validation import write_curve
from jointir.retrievers.dual import bm25_batches
from jointir.retrievers.late import LateInteraction
from jointir.retrievers.late_search import search


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
    out_curve: Path | None = None,
    dev_measure: str = "RR@10",
    validate_every: int = 0,
    patience: int = 0,
    dev_queries: int = 1000,
    dev_documents: int = 2000,
) -> None:
    """Train a ColBERT from `encoder` and write it to the folder `out`.

    dim: of a token's embedding. head_lr: of the projection, which starts at random. The loss is
    STAR's over BM25's negatives: that of ColBERT's authors, pair-wise on triples of BM25, and the
    other documents of the batch. Scores have no scale: a query's tokens add up. The other options
    are those of the `dual` stage.
    """
    same = fingerprint(locals())
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
    optimizer = torch.optim.AdamW(groups, lr=lr, fused=True)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    clip = [*weights, model.projection]
    settings = Settings(dev_measure, validate_every, patience, dev_queries, dev_documents)

    def rank(queries: list[str], docs: list[str], k: int) -> np.ndarray:
        return search(model.eval(), queries, docs, k, BATCH_TOKENS)[1]

    chooser = sampled_validation(collection, settings, rank)
    train(model, optimizer, loss_of, steps, warmup, seed, clip, keeper, "colbert", chooser)
    write_curve(chooser, out_curve)
    model.save(out)
    keeper.remove()
