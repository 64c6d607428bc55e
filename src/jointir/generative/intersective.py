"""How SEAL ranks documents: by the n-grams that were written and occur in them.

Bevilacqua et al. 2022, section 3.3: "LM+FM" scores of n-grams, added up for each document over
n-grams that do not overlap ("intersective").
"""

import numpy as np

from jointir.generative.ngrams import Found, NGrams

SMOOTHING = 5.0  # occurrences that are added to each n-gram's, as in the authors' code
FULL = 1500  # documents of a query whose n-grams are looked at one by one; likewise


def importance(log_p: np.ndarray, count: np.ndarray, T: int) -> np.ndarray:
    """Return w(n, q) >= 0, float64[R]: log of P(n | q) (1 - P(n)) / (P(n) (1 - P(n | q))).

    log_p: float[R], of P(n | q). count: int64[R], how often each occurs among T tokens, which is
    P(n).
    """
    log_n = np.log((count + SMOOTHING) / (T + SMOOTHING))
    log_p = np.minimum(log_p.astype(np.float64), -1e-10)  # below 1
    odds = log_p - np.log(-np.expm1(log_p)) - log_n + np.log(-np.expm1(log_n))
    return np.maximum(odds, 0)


def best_documents(
    index: NGrams, found: Found, w: np.ndarray, alpha: float, beta: float, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows int64[n] and scores float64[n] of the n <= k best documents, best first.

    W(d, q) is the sum of w(n, q)^alpha cover(n) over the n-grams in d: the highest w first, each
    once, where an occurrence has no token that an n-gram before has. cover(n) is 1 - beta, and beta
    times the share of n's distinct tokens that no n-gram before has in d.

    found: n-grams that occur, without one twice; w: float64[R]. Of documents, the FULL best are
    ranked so, by the sum of w^alpha alone. Ties: in the documents' order.
    """
    order = np.lexsort((found.begin, -found.length, -w))
    order = order[w[order] > 0]
    found, gains = found.of(order), w[order] ** alpha
    rows, positions, docs = index.occurrences(found)
    ends = np.searchsorted(rows, np.arange(len(gains) + 1))
    known = _best_sums(np.split(docs, ends[1:-1]), gains, index.N)
    slot = np.full(index.N, -1)
    slot[known] = np.arange(len(known))
    inside = slot[docs] >= 0
    rows, positions, docs = rows[inside], positions[inside], slot[docs[inside]]
    scores = _covering(index, found, gains, beta, (rows, positions, docs), len(known))
    best = np.argsort(-scores, kind="stable")[:k]
    return known[best], scores[best]


def _best_sums(docs: list[np.ndarray], gains: np.ndarray, N: int) -> np.ndarray:
    """Return the sorted rows int64[n] of the FULL documents with the highest sums of gains.

    docs: of each n-gram its documents int[n], each as often as it occurs there, and counted once.
    """
    sums = np.zeros(N)
    for own, gain in zip(docs, gains, strict=False):  # without n-grams there is one part, empty
        there = np.zeros(N, bool)
        there[own] = True
        sums[there] += gain
    best = np.argsort(-sums, kind="stable")[:FULL]
    return np.sort(best[sums[best] > 0])


def _covering(
    index: NGrams,
    found: Found,
    gains: np.ndarray,
    beta: float,
    occurrences: tuple[np.ndarray, np.ndarray, np.ndarray],
    n: int,
) -> np.ndarray:
    """Return W, float64[n].

    occurrences: int[m] each, their n-gram, in the order of these, position and document.
    """
    rows, positions, docs = occurrences
    told = [np.unique(index.tokens(found, row)) for row in range(len(gains))]
    words = np.unique(np.concatenate([*told, np.empty(0, np.int32)]))
    covered, scores = np.zeros((n, len(words)), bool), np.zeros(n)
    taken = np.zeros(index.T + index.L, bool)
    ends = np.searchsorted(rows, np.arange(len(gains) + 1))
    for row, gain in enumerate(gains):
        own = slice(ends[row], ends[row + 1])
        spans = positions[own, None] + np.arange(found.length[row])
        free = ~taken[spans].any(1)
        taken[spans[free]] = True
        into, tokens = np.unique(docs[own][free]), np.searchsorted(words, told[row])
        place = np.ix_(into, tokens)
        new = 1 - covered[place].mean(1)
        scores[into] += gain * (1 - beta + beta * new)
        covered[place] = True
    return scores
