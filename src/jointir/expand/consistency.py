"""Which generated queries are kept: those for which a dense encoder finds their own document.

A round trip: Promptagator keeps a query whose document its retriever finds first (Dai et al. 2023,
section 3.2, "consistency filtering"). Doc2Query-- filters by a relevance model, too, and keeps a
share of all queries by their scores (Gospodinov et al. 2023). Here a query is kept where the
encoder that indexes start from has its document among the first ten.
"""

import numpy as np

SCORES = 2**25  # of queries against documents, in memory at a time


def ranks(queries: np.ndarray, docs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return int64[q]: the rank, from 1 on, of each query's document by inner product.

    queries: float32[q, D]. docs: float32[N, D]. rows: int64[q], the document of each query. Of
    equal scores the document's own counts as the highest.
    """
    found = np.empty(len(queries), np.int64)
    size = max(1, SCORES // len(docs))
    for at in range(0, len(queries), size):
        part = slice(at, at + size)
        scores = queries[part] @ docs.T  # [n, N]
        own = np.take_along_axis(scores, rows[part, None], 1)
        found[part] = 1 + (scores > own).sum(1)
    return found
