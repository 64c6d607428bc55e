"""The n-grams of a collection's documents, by a suffix array of their tokens.

SEAL (Bevilacqua et al. 2022) has an FM-index, which is a compressed one. What is asked is the same:
where an n-gram occurs, how often, and which tokens follow it. No n-gram crosses a document's end.
"""

from typing import NamedTuple

import numpy as np

BORDER = 0  # after each document; its tokens are above


class Found(NamedTuple):
    """Some n-grams that occur: int64[R] each.

    length: how many tokens. begin, end: of each the places of its occurrences in `NGrams.order`.
    """

    length: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """How often each occurs, int64[R]."""
        return self.end - self.begin

    def of(self, rows: np.ndarray) -> "Found":
        """Return those of the rows, int64[r] or bool[R]."""
        return Found(*(part[rows] for part in self))


class Following(NamedTuple):
    """What follows some n-grams. rows: int64[n], of these; token: int64[n]; longer: with it."""

    rows: np.ndarray
    token: np.ndarray
    longer: Found


class NGrams:
    """text: int32[T + L], the tokens of N documents, each document with a BORDER behind it.

    order: int32[T], the positions in `text`, sorted by the L tokens from each on. owner: int32[T],
    the document's row of each position.
    """

    def __init__(self, documents: list[np.ndarray], L: int):
        """documents: int[n] each, tokens above BORDER. L: tokens of the longest n-gram."""
        lengths = np.array([len(tokens) for tokens in documents], np.int64)
        ends = (lengths + 1).cumsum()
        self.L, self.N, self.T = L, len(documents), int(ends[-1])
        self.text = np.full(self.T + L, BORDER, np.int32)
        for end, tokens in zip(ends, documents, strict=True):
            self.text[end - 1 - len(tokens) : end - 1] = tokens
        self.owner = np.repeat(np.arange(self.N, dtype=np.int32), lengths + 1)
        self.order = suffix_order(self.text[: self.T], L).astype(np.int32)
        self._first = self._following(*(np.array([n]) for n in (0, 0, self.T)))

    def nbytes(self) -> int:
        """Return the bytes of text, order and owner."""
        return self.text.nbytes + self.order.nbytes + self.owner.nbytes

    def first(self) -> Following:
        """Return all tokens that occur, as what follows the n-gram of none."""
        return self._first

    def following(self, found: Found) -> Following:
        """Return what follows each n-gram, all of which are shorter than L: rows in their order."""
        return self._following(*found)

    def _following(self, length: np.ndarray, begin: np.ndarray, end: np.ndarray) -> Following:
        rows, at = spread(begin, end)
        token = self.text[self.order[at] + length[rows]]
        new = np.ones(len(rows), bool)  # suffixes are sorted: equal tokens stand together
        new[1:] = (token[1:] != token[:-1]) | (rows[1:] != rows[:-1])
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(rows)) - 1
        inside = token[first] != BORDER
        first, last = first[inside], last[inside]
        longer = Found(length[rows[first]] + 1, at[first], at[last] + 1)
        return Following(rows[first], token[first].astype(np.int64), longer)

    def tokens(self, found: Found, row: int) -> np.ndarray:
        """Return the tokens int32[n] of one n-gram that occurs."""
        at = self.order[found.begin[row]]
        return self.text[at : at + found.length[row]]

    def occurrences(self, found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where n-grams occur: int[n] each, their row in order, position and document."""
        rows, at = spread(found.begin, found.end)
        positions = self.order[at]
        return rows, positions, self.owner[positions]


def spread(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of all ranges [begin, end), int64[n], and before them the range of each.

    begin, end: int64[R].
    """
    count = end - begin
    rows = np.repeat(np.arange(len(count)), count)
    before = count.cumsum() - count
    return rows, np.arange(len(rows)) + (begin - before)[rows]


def suffix_order(text: np.ndarray, L: int) -> np.ndarray:
    """Return int64[T], positions in int[T], sorted by the L tokens, or more, from each on.

    By doubling (Manber and Myers 1993), which begins with as many tokens as fit a number, and ends
    as soon as L are compared: longer n-grams nobody asks for. Behind the text there are BORDERs.
    What is equal so far stays in the text's order.
    """
    bits = max(1, int(text.max(initial=0)).bit_length())
    compared = max(1, min(L, 63 // bits))
    padded = np.concatenate([text, np.full(compared, BORDER)]).astype(np.int64)
    key = np.zeros(len(text), np.int64)
    for t in range(compared):
        key = key << bits | padded[t : t + len(text)]
    while compared < L:
        rank = np.unique(key, return_inverse=True)[1] + 1
        behind = np.zeros_like(rank)  # the end of the text is below all ranks
        behind[:-compared] = rank[compared:]
        key = rank * (rank.max() + 1) + behind
        compared *= 2
    return np.argsort(key, kind="stable")
