"""How long an encoder's embeddings are: what makes a training's `scale` mean the same for each."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.readers import parquet_batches
from jointir.data.store import CHUNK_ROWS, CORPUS, count_documents, document_texts
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.train.processes import from_main, say_once

SAMPLE, SEED = 256, 0  # one sample for every training: those of one encoder have one norm


def mean_squared_norm(encoder: DualEncoder, collection: Path) -> float:
    """Return the mean of |d|^2 over a sample of the collection's documents.

    Trainings divide inner products and squared distances by it, so that `scale`, temperatures and
    weights of an error mean what they mean for embeddings of length 1. Rankings do not change.
    1.0, and nothing is embedded, for an encoder that ends with Normalize.

    Raises:
        InputError: there is no corpus, or it is damaged.
    """
    if encoder.normalized:
        return 1.0
    found = from_main(lambda: _measure(encoder, sample(collection)))
    say_once(f"inner products are divided by {found:.4g}, the embeddings' mean squared norm")
    return found


def _measure(encoder: DualEncoder, texts: list[str]) -> float:
    training = encoder.training
    embedded = embed_texts(encoder.eval(), texts, "document", BATCH_TOKENS, bf16=False)
    encoder.train(training)
    return float(np.square(embedded, dtype=np.float64).sum(1).mean())


def sample(collection: Path) -> list[str]:
    """Return the texts of at most SAMPLE documents; of a large corpus, no more is kept."""
    N = count_documents(collection)
    rows = np.random.default_rng(SEED).choice(N, min(N, SAMPLE), replace=False)
    rows.sort()
    parts, at = [], 0
    for batch in parquet_batches(collection / "corpus.parquet", CORPUS, CHUNK_ROWS):
        here = rows[(rows >= at) & (rows < at + len(batch))] - at
        parts.append(batch.iloc[here])
        at += len(batch)
    return document_texts(pd.concat(parts))
