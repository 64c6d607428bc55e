"""Dual encoders that differ in their negatives alone: Rand Neg, BM25 Neg and ANCE.

Data, starting point, loss (STAR's) and budget are those of the `star` stage, so that a difference
between two of them is one of negatives. Sources: Huang et al. 2020 (random negatives), Karpukhin
et al. 2020 (BM25's), Xiong et al. 2021 (ANCE: those that the encoder itself ranks high, from an
index of the whole corpus that is refreshed while it learns). Here training waits for the refresh,
where ANCE's authors let it go on with the old index. Negatives of STAR come from the encoder that
it starts from, and stay as they are.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jointir.data.store import document_texts, read_corpus
from jointir.encode.dev import Settings, dual_validation
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.norm import mean_squared_norm
from jointir.encode.pairs import LABELLED, negatives_of, used_pairs
from jointir.encode.precision import has_bf16
from jointir.encode.processes import is_main, place
from jointir.encode.star import Batches, fit
from jointir.encode.training import Checkpoint, fingerprint
from jointir.encode.validation import write_curve
from jointir.errors import InputError
from jointir.retrievers.negatives import Periodic, bm25_negatives, random_negatives, refreshed

NEGATIVES = ("random", "bm25", "own")


def bm25_batches(
    model: DualEncoder,
    collection: Path,
    batch: int,
    steps: int,
    depth: int,
    seed: int,
    mined_from: str,
) -> Batches:
    """Return batches whose hard negatives are drawn from BM25's top `depth`."""
    pairs = used_pairs(collection, batch, steps, seed, mined_from)
    docs = document_texts(read_corpus(collection))
    negatives = bm25_negatives(pairs, docs, depth, seed)
    return Batches(model, pairs, lambda _: negatives, docs, batch, seed)


def dual(
    collection: Path,
    encoder: Path,
    out: Path,
    scratch: Path,
    negatives: str,
    steps: int,
    batch: int,
    lr: float,
    warmup: int,
    scale: float,
    random_weight: float,
    depth: int,
    seed: int,
    mined_from: str = LABELLED,
    refresh: int = 0,
    batch_tokens: int = 1024,
    checkpoint_minutes: float = 5,
    docs: Path | None = None,
    out_curve: Path | None = None,
    dev_measure: str = "RR@10",
    validate_every: int = 0,
    patience: int = 0,
    dev_queries: int = 1000,
    dev_documents: int = 2000,
) -> None:
    """Train `encoder` with another source of hard negatives and write it to the folder `out`.

    negatives: "random", "bm25", or "own", found anew every `refresh` steps (0: only once). One of
    the top `depth` is drawn each time a query comes up. docs: the collection's embeddings by
    `encoder`, in which the first of its own are found. random_weight: of the other documents of
    the batch. The other settings are those of the `star` stage.

    Raises:
        InputError: `negatives` is unknown, or they are the encoder's own and `docs` are missing, of
            another collection or another dimension.
    """
    if negatives not in NEGATIVES:
        raise InputError("negatives", f"{negatives!r} is unknown", f"Choose one of {NEGATIVES}")
    if negatives == "own" and docs is None:
        raise InputError("docs", "an encoder's own negatives need it", "Name docs.npy")
    same = fingerprint(locals())
    model = DualEncoder.load(encoder).to(place().device)
    pairs = used_pairs(collection, batch, steps, seed, mined_from)
    bodies = document_texts(read_corpus(collection))
    negatives_of(pairs, depth)

    def own(step: int) -> np.ndarray:
        known = None if step else read_embeddings(docs, collection, model.dim)
        bf16 = has_bf16(model.device)
        return refreshed(model, pairs, bodies, depth, batch_tokens, bf16, known)

    find: dict[str, Callable[[int], np.ndarray]] = {
        "random": lambda _: random_negatives(pairs, depth, seed),
        "bm25": lambda _: bm25_negatives(pairs, bodies, depth, seed),
        "own": own,
    }
    name = hashlib.sha256(str(same).encode()).hexdigest()[:12]
    source = Periodic(find[negatives], refresh or steps, scratch, name)
    batches = Batches(model, pairs, source, bodies, batch, seed)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    factor = scale / mean_squared_norm(model, collection)
    settings = Settings(dev_measure, validate_every, patience, dev_queries, dev_documents)
    chooser = dual_validation(collection, settings, model)
    name = f"{negatives} negatives"
    fit(batches, keeper, name, steps, lr, warmup, factor, random_weight, chooser)
    if is_main():
        write_curve(chooser, out_curve)
        model.save(out)
        source.remove()
        keeper.remove()
