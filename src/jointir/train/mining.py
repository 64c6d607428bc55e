"""Hard negatives from a ranking: of the candidates, those of the highest inner products."""

from collections.abc import Iterator

import numpy as np

from jointir.basics.exact import best_rows
from jointir.train.pairs import TrainingPairs
from jointir.train.processes import say_once

RANKED = 2**26  # pairs of a query and a document that are ranked at a time


def negatives_of(pairs: TrainingPairs, asked: int) -> int:
    """Return how many negatives a query has: `asked`, or all that it can have; say so then."""
    most = max(map(pairs.among.left, pairs.never))
    if asked > most:
        say_once(f"a query has at most {most} negatives, {asked} were asked for")
    return min(asked, most)


def blocks(Q: int, width: int) -> Iterator[slice]:
    """Yield slices of Q queries; of `width` documents a query, a slice has at most RANKED."""
    size = max(1, RANKED // width)
    for at in range(0, Q, size):
        yield slice(at, at + size)


def mine(
    queries: np.ndarray, docs: np.ndarray, pairs: TrainingPairs, depth: int, alone: bool = False
) -> np.ndarray:
    """Return int64[Q, depth]: the candidates of the highest inner products, -1 for no more.

    queries: float32[Q, D], those of `pairs`, whose `never` are left out. docs: [N, D], of the
    corpus; where `alone`, [n, D], of the candidates.
    """
    rows, never = pairs.among.rows, [pairs.among.places(n) for n in pairs.never]
    among = None if alone else rows
    width = min(depth + max(len(n) for n in never), len(rows))
    found = np.full((len(queries), min(depth, len(rows))), -1)
    for block in blocks(len(queries), width):
        best = best_rows(queries[block], docs, width, among)
        for own, ranked, left_out in zip(found[block], best, never[block], strict=True):
            kept = ranked[~np.isin(ranked, left_out)][:depth]
            own[: len(kept)] = kept
    return pairs.among.corpus(found)
