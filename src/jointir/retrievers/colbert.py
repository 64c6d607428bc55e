"""The `colbert` stage: train late interaction on BM25's negatives and the batch's."""

import numpy as np
import torch

from jointir.encode.embed import BATCH_TOKENS
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.methods.arguments import UNSAMPLED, EncoderFiles, SampleOptions
from jointir.methods.colbert import Settings
from jointir.retrievers.late import LateInteraction
from jointir.retrievers.late_search import search
from jointir.train.batches import bm25_batches
from jointir.train.dev import sampled_validation
from jointir.train.dual_encoder import star_loss
from jointir.train.training import Training


def colbert(files: EncoderFiles, settings: Settings, dev: SampleOptions = UNSAMPLED) -> None:
    """Train a ColBERT from an encoder and write it.

    The loss is STAR's over BM25's negatives: that of ColBERT's authors, pair-wise on triples of
    BM25, and the other documents of the batch. dev: as in `star`.
    """
    training = Training("colbert", locals())
    device = best_device()
    start = DualEncoder.load(files.encoder)
    model = LateInteraction.start(start, settings.dim, settings.seed).to(device)
    sampler = bm25_batches(model, files.collection, settings)
    bf16 = has_bf16(device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = sampler(step)
        with autocast(device, bf16):
            scores = model.scores(q, d)  # [B, 2B]
        return star_loss(scores, relevant.to(device), settings.random_weight)

    weights = [p for p in model.parameters() if p is not model.projection]
    groups = [{"params": weights}, {"params": [model.projection], "lr": settings.head_lr}]
    clip = [*weights, model.projection]

    def rank(queries: list[str], docs: list[str], k: int) -> np.ndarray:
        return search(model.eval(), queries, docs, k, BATCH_TOKENS)[1]

    chooser = sampled_validation(files.collection, dev, rank)
    training.run(model, groups, loss_of, clip, lambda: model.save(files.out), chooser)
