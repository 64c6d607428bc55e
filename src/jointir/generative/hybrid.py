"""The `hybrid` decoding: the beam finds identifiers, inner products rank their documents.

As in LIGER (Yang et al. 2024), the dense encoder has the last word. So the documents' embeddings
have to be kept beside the model.
"""

import numpy as np

from jointir.basics.exact import CHUNK
from jointir.generative.tree import Holders

DEPTH = 100  # documents of an answer


class Rescorer:
    """The documents of each identifier, and their embeddings."""

    def __init__(self, ids: np.ndarray, docs: np.ndarray, V: int):
        """ids: int64[N, L], each token in [0, V). docs: float[N, D], in memory or mapped."""
        self.docs, self.holders = docs, Holders(ids, V)

    def rows(self, found: np.ndarray) -> np.ndarray:
        """Return the sorted rows of all documents that have one of int64[k, L] identifiers."""
        return np.unique(np.concatenate([*self.holders.of(found), np.empty(0, np.int64)]))

    def best(self, e: np.ndarray, found: np.ndarray, own: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and scores of the first DEPTH of these documents by inner product with e.

        e: float32[D]. own: the row that is no answer, -1 for none. Ties: in the documents' order.
        """
        rows = self.rows(found)
        rows = rows[rows != own]
        # einsum, not @: BLAS may round two equal rows unlike, by where they are
        parts = [
            np.einsum("nd,d->n", self.docs[rows[at : at + CHUNK]].astype(np.float32), e)
            for at in range(0, len(rows), CHUNK)
        ]
        scores = np.concatenate([*parts, np.empty(0, np.float32)])
        first = np.argsort(-scores, kind="stable")[:DEPTH]
        return rows[first], scores[first]


def rescore(
    rescorer: Rescorer, e: np.ndarray, ids: np.ndarray, scores: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows int64[Q, DEPTH], -1 where fewer are found, and inner products float32[Q, DEPTH].

    e: float32[Q, D]. ids, scores: [Q, k, L] and [Q, k], -inf where no identifier is left. own:
    int64[Q], of each query the row that is no answer, -1 for none.
    """
    rows = np.full((len(e), DEPTH), -1)
    products = np.full((len(e), DEPTH), -np.inf, np.float32)
    for q, (query, found, real) in enumerate(zip(e, ids, np.isfinite(scores), strict=True)):
        best, values = rescorer.best(query, found[real], own[q])
        rows[q, : len(best)], products[q, : len(best)] = best, values
    return rows, products
