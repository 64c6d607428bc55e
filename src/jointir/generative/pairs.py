"""Training pairs: queries with their relevant documents, of the documents that training may see."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.encode.star import training_pairs
from jointir.encode.training import shuffled

BATCH_TOKENS = 4096  # of the queries embedded once, before a training


@dataclass(frozen=True)
class Batch:
    """B pairs, as rows of the training queries and of the documents that training may see.

    queries, docs: int64[B]; relevant: of each query, every row that is relevant.
    """

    queries: np.ndarray
    docs: np.ndarray
    relevant: list[np.ndarray]


class Pairs:
    """Draws batch `step`, a function of (seed, step) alone."""

    def __init__(self, collection: Path, encoder: DualEncoder, kept: np.ndarray, seed: int):
        """kept: int64[n], the corpus rows that training may see."""
        corpus = document_texts(read_corpus(collection))
        self._docs = [corpus[row] for row in kept]
        place = np.full(len(corpus), -1)
        place[kept] = np.arange(len(kept))
        texts, relevant = training_pairs(collection)
        seen = [i for i, rows in enumerate(relevant) if (place[rows] >= 0).all()]
        self.queries = [texts[i] for i in seen]
        self.relevant = [place[relevant[i]] for i in seen]
        self.encoder, self.seed = encoder, seed

    def __call__(self, step: int, batch: int) -> Batch:
        """Return the pairs of one step; a query with several documents comes with one of them."""
        rows = shuffled(len(self.queries), batch, step, self.seed)
        rng = np.random.default_rng([self.seed, 2, step])
        relevant = [self.relevant[i] for i in rows]
        return Batch(np.array(rows), np.array([rng.choice(r) for r in relevant]), relevant)

    def query_tokens(self, rows: np.ndarray) -> list[list[int]]:
        """Return the tokens of queries int64[n]."""
        return self.encoder.tokenize([self.queries[row] for row in rows], "query")

    def document_tokens(self, rows: np.ndarray) -> list[list[int]]:
        """Return the tokens of documents int64[n]."""
        return self.encoder.tokenize([self._docs[row] for row in rows], "document")
