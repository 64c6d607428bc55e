"""ADORE: train the query encoder on the documents that brute force ranks high at each step.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 5: the
document embeddings stay, so the negatives are those of the search itself. It is JPQ's training
without an index: the same loss, LambdaRank, over the same number of negatives. Every relevant
document that was not found is appended to a query's list; the authors' code (DRhard,
adore/train.py) appends them only if none was found.
"""

import numpy as np
import torch

from jointir.basics.exact import best_rows
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.joint.jpq import JPQ, Criterion
from jointir.joint.uncompressed import Uncompressed
from jointir.methods.adore import Settings
from jointir.methods.arguments import UNMEASURED, DevOptions, EncoderFiles
from jointir.train.dev import validation
from jointir.train.loop import decayed
from jointir.train.mining import negatives_of
from jointir.train.norm import mean_squared_norm
from jointir.train.pairs import training_pairs
from jointir.train.processes import place
from jointir.train.queries import drawn
from jointir.train.training import Training


def adore(files: EncoderFiles, settings: Settings, dev: DevOptions = UNMEASURED) -> None:
    """Train STAR's encoder for queries and write it; `docs` are its own.

    dev: as in `jpq`.

    Raises:
        InputError: `docs` are not of the collection, or their dimension is not the encoder's.
    """
    training = Training("adore", locals())
    collection, device = files.collection, place().device
    start = DualEncoder.load(files.encoder)
    matrix = np.asarray(read_embeddings(files.docs, collection, start.dim), np.float32)
    model = JPQ(start, Uncompressed(matrix)).to(device)
    model.index.centroids.requires_grad_(False)
    factor = settings.scale / mean_squared_norm(model.encoder, collection)
    criterion = Criterion(settings.negatives, settings.lambda_cut, factor)
    pairs = training_pairs(collection, settings.mined_from)
    model.index.mine_from(pairs.among)
    negatives_of(pairs, settings.negatives)
    draw = drawn(pairs, model.encoder, settings.batch, settings.seed)
    bf16 = has_bf16(device)

    def loss_of(step: int) -> torch.Tensor:
        tokens, positives, never, _ = draw(step)
        (queries,) = model.embed(tokens, bf16=bf16)
        return model.loss(queries, *positives, criterion, never=never)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        return best_rows(queries, matrix, k)

    chooser = validation(collection, dev, model.encoder, search)
    weights = list(model.encoder.parameters())

    def save() -> None:
        model.encoder.save(files.out, "query")

    training.run(model, decayed(weights), loss_of, weights, save, chooser)
