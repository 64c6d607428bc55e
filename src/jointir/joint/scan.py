"""A filter for exact search: sums of table entries of 16 bits, 32 queries at a time.

A document's scores are sums of M rows of a table. With 32 entries of 16 bits a row is one cache
line, and four sums are one addition of 64 bits: entries are not negative, and their sums end below
2^15, so that none carries into its neighbour, and the spare bit tells whether a sum reached a bar.
"""

import numba
import numpy as np
import torch

QUERIES = 32  # of a row
LARGEST = 2**15 - 1  # of a sum
SPARE = np.uint64(0x8000_8000_8000_8000)  # the highest bit of each of four sums
ROUNDING = 2.0**-24  # of float32, relative

# LLVM would turn the loop over sub-quantizers into gathers from eight rows at once, four times
# slower; the eight additions of a row are what has to become one instruction.
numba.config.LOOP_VECTORIZE, numba.config.SLP_VECTORIZE = 0, 1


class Rough:
    """Tables of 16 bits, and which documents they rule out.

    tables: float32[B, M, K], tau of eq. 11, B at most QUERIES.
    """

    def __init__(self, tables: torch.Tensor):
        B, M, K = tables.shape
        lowest = tables.amin(2, keepdim=True)  # [B, M, 1]
        span = (tables.amax(2, keepdim=True) - lowest).sum(1, keepdim=True)  # [B, 1, 1]
        scale = (LARGEST - M) / span.clamp(min=1e-30)
        rows = torch.zeros(M, K, QUERIES, dtype=torch.int16)
        rows[:, :, :B] = ((tables - lowest) * scale).round_().permute(1, 2, 0)
        self.words = rows.numpy().view(np.uint64)  # [M, K, 8]
        self.scale, self.base = scale.view(B).double(), lowest.double().sum((1, 2))
        most = tables.abs().amax(2).double().sum(1)
        # each entry is rounded to an integer; both scores that are compared are sums in float32
        self.error = 0.5 * M + 1 + 4 * M * ROUNDING * most * self.scale

    def bars(self, scores: torch.Tensor) -> np.ndarray:
        """Return uint64[8], what no document of at least these scores, float[B], fails to reach."""
        bars = ((scores - self.base) * self.scale - self.error).floor().clamp(0, LARGEST)
        padded = np.full(QUERIES, LARGEST, np.uint16)
        padded[: len(bars)] = bars.numpy()
        return padded.view(np.uint64)

    def scan(
        self, codes: np.ndarray, begin: int, end: int, bars: np.ndarray, out: np.ndarray
    ) -> tuple[int, int]:
        """Write into `out`, int64[c], the rows from `begin` on that reach the bar of any query.

        codes: uint8[N, M], below K.

        Returns: how many these are, and the row at which the scan ended: `end`, or where `out` was
        full.
        """
        return _scan(codes, begin, end, self.words, bars, out)


@numba.njit(nogil=True)
def _scan(
    codes: np.ndarray, begin: int, end: int, words: np.ndarray, bars: np.ndarray, out: np.ndarray
) -> tuple[int, int]:
    found = 0
    for row in range(begin, end):
        a = b = c = d = e = f = g = h = np.uint64(0)
        for m in range(codes.shape[1]):
            w = words[m, codes[row, m]]
            a, b, c, d = a + w[0], b + w[1], c + w[2], d + w[3]
            e, f, g, h = e + w[4], f + w[5], g + w[6], h + w[7]
        reached = ((a | SPARE) - bars[0]) | ((b | SPARE) - bars[1])
        reached |= ((c | SPARE) - bars[2]) | ((d | SPARE) - bars[3])
        reached |= ((e | SPARE) - bars[4]) | ((f | SPARE) - bars[5])
        reached |= ((g | SPARE) - bars[6]) | ((h | SPARE) - bars[7])
        if reached & SPARE:
            out[found] = row
            found += 1
            if found == len(out):
                return found, row + 1
    return found, end
