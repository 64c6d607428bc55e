"""Collections whose queries are documents: a query's own document is no answer to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jointir.data.store import read_about

# of k: returns ids str[Q, k], "" where fewer are found, and scores [Q, k], larger is better
Search = Callable[[int], tuple[np.ndarray, np.ndarray]]


def top(
    collection: Path, query_ids: Sequence[str], k: int, search: Search
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `search` finds, of each query without the document of its own id.

    That is left out only where the collection drops identical ids: then one more is searched, so
    that k are left where there are so many.
    """
    if not read_about(collection).drop_identical_ids:
        return search(k)
    ids, scores = search(k + 1)
    own = ids == np.asarray(query_ids, object)[:, None]
    ids = np.where(own, "", ids)
    order = np.argsort(ids == "", axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)
