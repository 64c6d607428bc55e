"""Dual encoders that differ in their negatives: Rand Neg, BM25 Neg, ANCE and RepBERT.

Data, starting point, loss (STAR's) and budget are those of the `star` stage, so that a difference
between two of them is one of negatives. Sources: Huang et al. 2020 (random negatives), Karpukhin
et al. 2020 (BM25's), Xiong et al. 2021 (ANCE: those that the encoder itself ranks high, from an
index of the whole corpus that is refreshed while it learns). Here training waits for the refresh,
where ANCE's authors let it go on with the old index. Negatives of STAR come from the encoder that
it starts from, and stay as they are.

RepBERT (Zhan et al. 2020) differs in its loss, too: `margin_loss` over the documents of the batch,
without hard negatives; `depth` and `random_weight` have no part in it. In their code half of a
batch's documents come from MS MARCO's triples as negatives; here all are positives. Inner products
are scaled as in every training here, theirs are not.
"""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.methods.arguments import UNSAMPLED, EncoderFiles, SampleOptions
from jointir.methods.dual import IN_BATCH, Settings
from jointir.train.batches import Batches
from jointir.train.dev import dual_validation
from jointir.train.dual_encoder import fit, margin_loss, star_loss
from jointir.train.mining import negatives_of
from jointir.train.negatives import Periodic, bm25_negatives, random_negatives, refreshed
from jointir.train.norm import mean_squared_norm
from jointir.train.pairs import used_pairs
from jointir.train.processes import place
from jointir.train.training import Training


def dual(files: EncoderFiles, settings: Settings, dev: SampleOptions = UNSAMPLED) -> None:
    """Train an encoder with another source of hard negatives, and write it.

    One of the top `depth` is drawn each time a query comes up. The first of the encoder's own
    negatives are found in `docs`. dev: as in `star`.

    Raises:
        InputError: negatives are the encoder's own and `docs` are missing, of another collection or
            another dimension.
    """
    if settings.negatives == "own" and files.docs is None:
        raise InputError("docs", "an encoder's own negatives need it", "Name docs.npy")
    training = Training(f"{settings.negatives} negatives", locals())
    collection, depth, seed = files.collection, settings.depth, settings.seed
    model = DualEncoder.load(files.encoder).to(place().device)
    pairs = used_pairs(collection, settings)
    bodies = document_texts(read_corpus(collection))
    negatives_of(pairs, depth)

    def own(step: int) -> np.ndarray:
        known = None if step else read_embeddings(files.docs, collection, model.dim)
        bf16 = has_bf16(model.device)
        return refreshed(model, pairs, bodies, depth, settings.batch_tokens, bf16, known)

    find: dict[str, Callable[[int], np.ndarray]] = {
        "random": lambda _: random_negatives(pairs, depth, seed),
        "bm25": lambda _: bm25_negatives(pairs, bodies, depth, seed),
        "own": own,
    }
    name = hashlib.sha256(str(training.fingerprint).encode()).hexdigest()[:12]
    alone = settings.negatives == IN_BATCH
    every = settings.refresh or settings.steps
    source = None if alone else Periodic(find[settings.negatives], every, files.scratch, name)
    batches = Batches(model, pairs, source, bodies, settings.batch, seed)
    factor = settings.scale / mean_squared_norm(model, collection)
    chooser = dual_validation(collection, dev, model)

    def save() -> None:
        model.save(files.out)
        if source:
            source.remove()

    loss = margin_loss if alone else partial(star_loss, random_weight=settings.random_weight)
    fit(training, batches, factor, loss, chooser, save)
