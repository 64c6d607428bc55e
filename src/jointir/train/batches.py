"""Batches of queries and documents, for trainings that embed both."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.methods.shared import HardNegatives
from jointir.train.negatives import bm25_negatives
from jointir.train.order import batch_of, shuffled
from jointir.train.pairs import TrainingPairs, used_pairs


class Batches:
    """Draws batch `step`: tokens of B queries and of 2B documents, and what is no negative.

    Of B documents where there are no negatives but those of the batch.
    """

    def __init__(
        self,
        model: DualEncoder,
        pairs: TrainingPairs,
        negatives: Callable[[int], np.ndarray] | None,
        docs: list[str],
        batch: int,
        seed: int,
    ):
        """pairs: Q queries and rows of `docs`.

        negatives: returns int64[Q, depth], the rows from which those of a step are drawn; -1 is
        none, and no query has these alone. None: a batch has no documents but the positives.
        """
        self.model, self.batch, self.seed = model, batch_of(len(pairs.texts), batch), seed
        self.pairs, self.negatives, self.docs = pairs, negatives, docs

    def __call__(self, step: int) -> tuple[list[list[int]], list[list[int]], torch.Tensor]:
        texts, positives, never = self.pairs[:3]
        rows = shuffled(len(texts), self.batch, step, self.seed)
        rng = np.random.default_rng([self.seed, 1, step])
        positive = [rng.choice(positives[i]) for i in rows]
        hard = []
        if self.negatives:
            negatives = self.negatives(step)
            hard = [rng.choice(negatives[i][negatives[i] >= 0]) for i in rows]
        docs = np.array(positive + hard)
        no_negative = np.stack([np.isin(docs, never[i]) for i in rows])
        queries = self.model.tokenize([texts[i] for i in rows], "query")
        documents = self.model.tokenize([self.docs[i] for i in docs], "document")
        return queries, documents, torch.from_numpy(no_negative)


def bm25_batches(model: DualEncoder, collection: Path, settings: HardNegatives) -> Batches:
    """Return batches whose hard negatives are drawn from BM25's top `depth`."""
    pairs = used_pairs(collection, settings)
    docs = document_texts(read_corpus(collection))
    negatives = bm25_negatives(pairs, docs, settings.depth, settings.seed)
    return Batches(model, pairs, lambda _: negatives, docs, settings.batch, settings.seed)
