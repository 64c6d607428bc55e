"""Training pairs: queries with their relevant documents, of the documents that training may see."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.data.generated import generated_rows
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.joint.sentences import sentences_of
from jointir.train.order import shuffled
from jointir.train.pairs import training_pairs


@dataclass(frozen=True)
class Batch:
    """B pairs, as rows of the training queries and of the documents that training may see.

    queries, docs: int64[B]; never: of each query, the rows that are no negatives.
    """

    queries: np.ndarray
    docs: np.ndarray
    never: list[np.ndarray]


class Pairs:
    """Draws batch `step`, a function of (seed, step) alone."""

    def __init__(
        self,
        collection: Path,
        encoder: DualEncoder,
        kept: np.ndarray,
        seed: int,
        generated: Path | None = None,
    ):
        """kept: int64[n], the corpus rows that training may see.

        generated: queries of the `expand` stage, which come after the train queries. Those of
        documents that training may not see are left out.

        Raises:
            InputError: fewer than two train queries are left, of which a batch has to have one
                without its document and one without its query; or `generated` is of another
                collection.
        """
        whole = read_corpus(collection)
        corpus = document_texts(whole)
        self._docs = [corpus[row] for row in kept]
        place = np.full(len(corpus), -1)
        place[kept] = np.arange(len(kept))
        texts, relevant, never = training_pairs(collection)[:3]
        seen = [i for i, rows in enumerate(relevant) if (place[rows] >= 0).all()]
        if len(seen) < 2:
            found = f"{len(seen)} training queries have all their documents among those seen"
            raise InputError(collection, found, "Lower asi.holdout, or add queries to train")
        self.queries = [texts[i] for i in seen]
        self.relevant = [place[relevant[i]] for i in seen]
        places = (place[never[i]] for i in seen)
        self.never = [rows[rows >= 0] for rows in places]
        self.real = len(self.queries)  # the train queries, before all generated ones
        if generated:
            self._add(generated_rows(generated, whole["doc_id"]), place)
        self.encoder, self.seed = encoder, seed

    def __call__(self, step: int, batch: int) -> Batch:
        """Return the pairs of one step; a query with several documents comes with one of them."""
        rows = self._rows(step, batch)
        rng = np.random.default_rng([self.seed, 2, step])
        docs = np.array([rng.choice(self.relevant[i]) for i in rows])
        return Batch(np.array(rows), docs, [self.never[i] for i in rows])

    def _add(self, generated: pd.DataFrame, place: np.ndarray) -> None:
        """Add generated queries, each with its document, where it has a `place`, int64[N]."""
        own = place[generated["row"].to_numpy()]
        self.queries += generated["text"][own >= 0].tolist()
        rows = list(own[own >= 0, None])
        self.relevant += rows
        self.never += rows

    def _rows(self, step: int, batch: int) -> np.ndarray:
        """Return the queries of a step; where there are generated ones, half of the batch is."""
        made = len(self.queries) - self.real
        if not made:
            return shuffled(self.real, batch, step, self.seed)
        real = shuffled(self.real, batch - batch // 2, step, self.seed)
        rows = [real, self.real + shuffled(made, batch // 2, step, self.seed)]
        return np.random.default_rng([self.seed, 9, step]).permutation(np.concatenate(rows))

    def sentences(self, n: int) -> tuple[list[str], np.ndarray]:
        """Return n sentences of the documents that training may see, and int64[n], their rows."""
        told = np.array([row for row, text in enumerate(self._docs) if text.strip()])
        return sentences_of(self._docs, told, n, self.seed)

    def query_tokens(self, rows: np.ndarray) -> list[list[int]]:
        """Return the tokens of queries int64[n]."""
        return self.encoder.tokenize([self.queries[row] for row in rows], "query")

    def document_tokens(self, rows: np.ndarray) -> list[list[int]]:
        """Return the tokens of documents int64[n]."""
        return self.encoder.tokenize([self._docs[row] for row in rows], "document")
