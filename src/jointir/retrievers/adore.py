"""ADORE: train the query encoder on the documents that brute force ranks high at each step.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 5: the
document embeddings stay, so the negatives are those of the search itself. It is JPQ's training
without an index: the same loss, LambdaRank, over the same number of negatives.
"""

from pathlib import Path

import numpy as np
import torch

from jointir.encode.dev import Settings, validation
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.norm import mean_squared_norm
from jointir.encode.pairs import LABELLED, negatives_of, training_pairs
from jointir.encode.precision import has_bf16
from jointir.encode.processes import is_main, place
from jointir.encode.training import Checkpoint, decayed, fingerprint, train
from jointir.encode.validation import write_curve
from jointir.exact import best_rows
from jointir.joint.jpq import JPQ, Criterion, drawn
from jointir.joint.uncompressed import Uncompressed


def adore(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    scratch: Path,
    steps: int,
    batch: int,
    negatives: int,
    lr: float,
    warmup: int,
    lambda_cut: int,
    scale: float,
    seed: int,
    mined_from: str = LABELLED,
    checkpoint_minutes: float = 5,
    out_curve: Path | None = None,
    dev_measure: str = "RR@10",
    validate_every: int = 0,
    patience: int = 0,
    dev_queries: int = 1000,
) -> None:
    """Train STAR's `encoder` for queries and write it to the folder `out`; `docs` are its own.

    The settings are those of the `jpq` stage.

    Raises:
        InputError: `docs` are not of the collection, or their dimension is not the encoder's.
    """
    same = fingerprint(locals())
    device = place().device
    start = DualEncoder.load(encoder)
    matrix = np.asarray(read_embeddings(docs, collection, start.dim), np.float32)
    model = JPQ(start, Uncompressed(matrix)).to(device)
    model.index.centroids.requires_grad_(False)
    factor = scale / mean_squared_norm(model.encoder, collection)
    criterion = Criterion(negatives, lambda_cut, factor)
    pairs = training_pairs(collection, mined_from)
    model.index.mine_from(pairs.among)
    negatives_of(pairs, negatives)
    draw = drawn(pairs, model, batch, seed)
    bf16 = has_bf16(device)

    def loss_of(step: int) -> torch.Tensor:
        tokens, positives, never, _ = draw(step)
        return model.loss(tokens, *positives, criterion, bf16, never=never)

    settings = Settings(dev_measure, validate_every, patience, dev_queries)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        return best_rows(queries, matrix, k)

    chooser = validation(collection, settings, model.encoder, search)
    weights = list(model.encoder.parameters())
    optimizer = torch.optim.AdamW(decayed(weights), lr=lr, fused=True)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    train(model, optimizer, loss_of, steps, warmup, seed, weights, keeper, "adore", chooser)
    if is_main():
        write_curve(chooser, out_curve)
        model.encoder.save(out, "query")
        keeper.remove()
