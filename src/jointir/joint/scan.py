"""Exact top n of PQ codes on a CPU: eq. 12 for every document, filtered by sums of 16 bits.

A score is a sum of M table entries, and the time goes into fetching them. With entries of 16 bits,
those of 32 queries are one cache line, and four sums are one addition of 64 bits: entries are not
negative, and their sums end below 2^15, so that none carries into its neighbour, and the spare bit
tells whether a sum reached a bar. A document more than twice the error below the n-th best sum is
none of the n best; the others are scored with the tables themselves, in float64.
"""

import numba
import numpy as np

QUERIES = 32  # of a row
LARGEST = 2**15 - 1  # of a sum
SPARE = np.uint64(0x8000_8000_8000_8000)  # the highest bit of each of four sums
PAIRS = 2**16  # documents and queries that wait to be scored

# LLVM would turn the loop over sub-quantizers into gathers from eight rows at once, four times
# slower; the eight additions of a row are what has to become one instruction.
numba.config.LOOP_VECTORIZE, numba.config.SLP_VECTORIZE = 0, 1


class Scan:
    """The tables of a batch, as they are and in 16 bits.

    tables: float32[B, M, K], tau of eq. 11, B at most QUERIES.
    """

    def __init__(self, tables: np.ndarray):
        B, M, K = tables.shape
        lowest = tables.min(2, keepdims=True)  # [B, M, 1]
        span = (tables.max(2, keepdims=True) - lowest).sum(1, keepdims=True)  # [B, 1, 1]
        scale = (LARGEST - M) / np.maximum(span, np.float32(1e-30))
        aligned = np.zeros(M * K * QUERIES + 32, np.uint16)
        begin = -aligned.ctypes.data % 64 // 2  # a row that straddles cache lines is two
        rows = aligned[begin:][: M * K * QUERIES].reshape(M, K, QUERIES)
        rows[:, :, :B] = np.rint((tables - lowest) * scale).transpose(1, 2, 0)
        self.tables, self.words = np.ascontiguousarray(tables), rows.view(np.uint64)
        # twice the error of a sum: each entry is rounded to an integer, and was in float32 before
        self.slack = 2 * (0.51 * M + 1)

    def top(
        self, codes: np.ndarray, excluded: np.ndarray, n: int, begin: int, end: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and rows of the n best from begin to end, float64 and int64[B, n].

        Of equal scores, the first rows are the better ones. The lists are not sorted; where there
        are fewer rows, the rest are -1, with -inf.

        codes: integers[N, M], below K. excluded: int64[B, P], rows that are passed over.
        """
        scores = np.full((len(self.tables), n), -np.inf)
        rows = np.full(scores.shape, -1)
        rough, of = scores.copy(), rows.copy()  # the same by sums
        excluded = np.ascontiguousarray(excluded)
        pairs, sums = np.empty((PAIRS, 2), np.int64), np.empty(PAIRS)
        while n and begin < end:
            found, begin = _scan(
                codes, begin, end, self.words, self.slack, excluded, rough, of, pairs, sums
            )
            left = sums[:found] >= rough[pairs[:found, 1], 0] - self.slack
            _settle(pairs[:found][left], codes, self.tables, scores, rows)
        return scores, rows


# cached: to compile takes 2 s, and each training is a process of its own
@numba.njit(nogil=True, cache=True)
def _scan(
    codes: np.ndarray,
    begin: int,
    end: int,
    words: np.ndarray,
    slack: float,
    excluded: np.ndarray,
    best: np.ndarray,
    best_rows: np.ndarray,
    pairs: np.ndarray,
    sums: np.ndarray,
) -> tuple[int, int]:
    """Write the rows whose sums are at most `slack` below a query's n-th best, and their queries.

    words: uint64[M, K, 8]. best, best_rows: heaps of each query's best sums so far.

    Returns: how many pairs were written, and the row at which the scan ended: `end`, or where there
    was no room for another row's.
    """
    bar = np.full(QUERIES, LARGEST, np.uint16)  # what a document's sum must reach
    for query in range(len(best)):
        bar[query] = max(0, best[query, 0] - slack)
    bars, above, found = bar.view(np.uint64), np.zeros(8, np.uint64), 0
    for row in range(begin, end):
        a = b = c = d = e = f = g = h = np.uint64(0)
        for m in range(codes.shape[1]):
            w = words[m, codes[row, m]]
            a, b, c, d = a + w[0], b + w[1], c + w[2], d + w[3]
            e, f, g, h = e + w[4], f + w[5], g + w[6], h + w[7]
        a, b = (a | SPARE) - bars[0], (b | SPARE) - bars[1]
        c, d = (c | SPARE) - bars[2], (d | SPARE) - bars[3]
        e, f = (e | SPARE) - bars[4], (f | SPARE) - bars[5]
        g, h = (g | SPARE) - bars[6], (h | SPARE) - bars[7]
        if not (a | b | c | d | e | f | g | h) & SPARE:
            continue
        above[0], above[1], above[2], above[3] = a, b, c, d
        above[4], above[5], above[6], above[7] = e, f, g, h
        lanes = above.view(np.uint16)
        for query in range(len(best)):
            if lanes[query] <= LARGEST or (excluded[query] == row).any():
                continue
            sums[found] = float(lanes[query]) - (LARGEST + 1) + bar[query]
            pairs[found, 0], pairs[found, 1] = row, query
            if sums[found] > best[query, 0]:
                _replace_worst(best[query], best_rows[query], sums[found], row)
                bar[query] = max(0, best[query, 0] - slack)
            found += 1
        if found > len(sums) - len(best):
            return found, row + 1
    return found, end


@numba.njit(nogil=True, cache=True)
def _settle(
    pairs: np.ndarray, codes: np.ndarray, tables: np.ndarray, scores: np.ndarray, rows: np.ndarray
) -> None:
    """Score pairs of a row and a query exactly; put them into the query's heap."""
    for row, query in pairs:
        score = 0.0
        for m in range(codes.shape[1]):
            score += tables[query, m, codes[row, m]]
        if score > scores[query, 0]:
            _replace_worst(scores[query], rows[query], score, row)


@numba.njit(nogil=True, cache=True)
def _replace_worst(scores: np.ndarray, rows: np.ndarray, score: float, row: int) -> None:
    """Put a row in the place of a heap's worst: the last row of those with the lowest score."""
    at, child = 0, 1
    while child < len(scores):
        if child + 1 < len(scores) and _worse(scores, rows, child + 1, child):
            child += 1
        if scores[child] >= score:  # of equal scores the new row, which comes last, is the worst
            break
        scores[at], rows[at] = scores[child], rows[child]
        at, child = child, 2 * child + 1
    scores[at], rows[at] = score, row


@numba.njit(nogil=True, cache=True)
def _worse(scores: np.ndarray, rows: np.ndarray, one: int, other: int) -> bool:
    """Tell whether one entry of a heap has a lower score than another, or is a later row."""
    if scores[one] == scores[other]:
        return rows[one] > rows[other]
    return scores[one] < scores[other]
