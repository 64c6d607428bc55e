"""The n-grams that NOVO chooses of a document: which there are, and which say most."""

import re

import numpy as np

WORD = re.compile(r"[^\W_]+")
MOST = 64  # words of a document that n-grams are taken from


def words_of(text: str) -> list[str]:
    """Return the first MOST words of a text, in small letters, those of a name each by itself."""
    return [
        found.group().lower() for found, _ in zip(WORD.finditer(text), range(MOST), strict=False)
    ]


def best_ngrams(words: list[str], values: np.ndarray, n: int, count: int) -> list[str]:
    """Return `count` n-grams of 1 to n words: those of the highest sums of the words' values.

    values: float[len(words)]. No two of them share a place or are alike. Where there are fewer,
    they are repeated from the first; of a document without words the only one is empty.
    """
    spans = [
        (values[at : at + size].sum(), at, at + size)
        for at in range(len(words))
        for size in range(1, min(n, len(words) - at) + 1)
    ]
    taken, found = np.zeros(len(words), bool), {}
    for _, begin, end in sorted(spans, key=lambda span: (-span[0], span[1:])):
        text = " ".join(words[begin:end])
        if len(found) < count and text not in found and not taken[begin:end].any():
            found[text] = taken[begin:end] = True
    own = list(found) or [""]
    return [own[i % len(own)] for i in range(count)]


def numbers_of(ngrams: list[list[str]]) -> tuple[np.ndarray, list[str]]:
    """Return int64[N, count], sorted in each row, of the n-grams' places in the sorted list."""
    known, place = np.unique(np.array(ngrams), return_inverse=True)
    return np.sort(place.reshape(len(ngrams), -1), 1), known.tolist()
