"""SEAL's n-grams and how documents are ranked by them, against loops that are obviously right."""

import math

import numpy as np
import pytest

from jointir.generative.intersective import FULL, SMOOTHING, best_documents, importance
from jointir.generative.ngrams import BORDER, Found, NGrams, suffix_order

DOCUMENTS = [[3, 4, 3, 4, 5], [4, 5, 6], [], [6], [3, 4, 5, 3, 4, 5], [7, 7, 7, 7]]


def drawn(seed: int, n: int = 30, V: int = 5) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(1, V, rng.integers(0, 12)).tolist() for _ in range(n)]


def index_of(documents: list[list[int]], L: int) -> NGrams:
    return NGrams([np.array(own, np.int64) for own in documents], L)


def find(index: NGrams, ngrams: list[tuple[int, ...]]) -> Found:
    """Return n-grams as places of the index, token by token; of those nowhere, an empty range."""
    places = []
    for ngram in ngrams:
        step, begin, end = index.first(), 0, 0
        for token in ngram:
            own = step.longer.of(step.token == token)
            begin, end = (int(part.sum()) for part in (own.begin, own.end))
            if own.count.sum() == 0 or own.length[0] == index.L:
                break
            step = index.following(own)
        places.append((len(ngram), begin, end))
    return Found(*np.array(places, np.int64).reshape(-1, 3).T)


def occurrences(documents: list[list[int]], ngram: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return (document, where in it) of each occurrence."""
    n = len(ngram)
    return [
        (row, at)
        for row, own in enumerate(documents)
        for at in range(len(own) - n + 1)
        if tuple(own[at : at + n]) == ngram
    ]


@pytest.mark.parametrize("L", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("V", [2, 5, 40_000])
def test_positions_are_sorted_by_their_tokens(L: int, V: int) -> None:
    text = np.random.default_rng(V).integers(0, V, 300)
    padded = [*text.tolist(), *[BORDER] * 64]
    order = suffix_order(text, L)
    assert sorted(order.tolist()) == list(range(300))
    keys = [padded[at : at + L] for at in order]
    assert keys == sorted(keys)
    if L == 1:  # what is equal stays in the text's order
        assert order.tolist() == sorted(range(300), key=lambda at: (text[at], at))


@pytest.mark.parametrize("documents", [DOCUMENTS, drawn(1), drawn(2, V=3)])
def test_what_follows_an_ngram_is_what_follows_it_in_some_document(documents: list) -> None:
    L = 4
    index = index_of(documents, L)
    step, texts = index.first(), [()]
    for length in range(1, L + 1):
        texts = [
            (*texts[row], int(token)) for row, token in zip(step.rows, step.token, strict=True)
        ]
        wanted = {
            tuple(own[at : at + length]) for own in documents for at in range(len(own) - length + 1)
        }
        assert len(texts) == len(wanted) and set(texts) == wanted
        for row, ngram in enumerate(texts):
            assert step.longer.count[row] == len(occurrences(documents, ngram))
            assert tuple(index.tokens(step.longer, row)) == ngram
        if length < L:
            step = index.following(step.longer)


def test_occurrences_are_of_their_documents() -> None:
    index = index_of(DOCUMENTS, 3)
    ngrams = [(4, 5), (6,), (7, 7)]
    rows, positions, docs = index.occurrences(find(index, ngrams))
    for row, ngram in enumerate(ngrams):
        own = rows == row
        begins = np.cumsum([0, *(len(document) + 1 for document in DOCUMENTS)])
        places = zip(docs[own], (positions - begins[docs])[own], strict=True)
        assert sorted(places) == occurrences(DOCUMENTS, ngram)


def test_the_bytes_are_those_of_tokens_positions_and_documents() -> None:
    index = index_of(DOCUMENTS, 3)
    T = sum(map(len, DOCUMENTS)) + len(DOCUMENTS)
    assert index.nbytes() == 4 * (T + 3) + 4 * T + 4 * T


def test_importance_is_the_papers_ratio() -> None:
    p, count, T = [0.5, 1e-4, 1e-9, 1.0], [3, 40, 90, 2], 1000
    found = importance(np.log(p), np.array(count), T)
    for q, n, w in zip(p[:3], count[:3], found[:3], strict=True):
        own = (n + SMOOTHING) / (T + SMOOTHING)
        assert w == pytest.approx(max(0, math.log(q * (1 - own) / (own * (1 - q)))))
    assert found[2] == 0 and np.isfinite(found[3])


def looped(
    documents: list[list[int]], ngrams: dict[tuple, float], alpha: float, beta: float
) -> dict[int, float]:
    """Return W(d, q) of each document, one after the other."""
    scores = {}
    order = sorted(ngrams, key=lambda n: (-ngrams[n], -len(n), n))
    for row in range(len(documents)):
        taken, covered, total = set(), set(), 0.0
        for ngram in order:
            at = [a for d, a in occurrences(documents, ngram) if d == row]
            spans = [set(range(a, a + len(ngram))) for a in at]
            free = [span for span in spans if not span & taken]
            if free:
                tokens = set(ngram)
                share = len(tokens - covered) / len(tokens)
                total += ngrams[ngram] ** alpha * (1 - beta + beta * share)
                covered |= tokens
                taken = taken.union(*free)
        if total > 0:
            scores[row] = total
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_documents_are_ranked_by_ngrams_that_do_not_overlap(seed: int) -> None:
    documents, rng = drawn(seed), np.random.default_rng(seed)
    index = index_of(documents, 4)
    ngrams = {}
    while len(ngrams) < 25:
        own = documents[rng.integers(len(documents))]
        at, n = rng.integers(12), rng.integers(1, 5)
        if len(own) >= at + n:
            ngrams[tuple(own[at : at + n])] = float(rng.random() * 5)
    found, w = find(index, list(ngrams)), np.array(list(ngrams.values()))
    wanted = looped(documents, ngrams, 2, 0.8)
    rows, scores = best_documents(index, found, w, 2, 0.8, 100)
    assert dict(zip(rows.tolist(), scores, strict=True)) == pytest.approx(wanted)
    assert (np.diff(scores) <= 0).all()
    first, best = best_documents(index, found, w, 2, 0.8, 3)
    assert (first == rows[:3]).all() and (best == scores[:3]).all()


def test_an_ngram_of_no_importance_finds_nothing() -> None:
    index = index_of(DOCUMENTS, 3)
    found = find(index, [(4, 5), (6,)])
    assert best_documents(index, found, np.zeros(2), 2, 0.8, 5)[0].tolist() == []
    assert sorted(best_documents(index, found, np.array([0, 1.0]), 2, 0.8, 5)[0]) == [1, 3]


def test_only_the_documents_with_the_highest_sums_are_looked_at(monkeypatch) -> None:
    assert FULL == 1500
    monkeypatch.setattr("jointir.generative.intersective.FULL", 2)
    index = index_of([[3, 4], [4], [3], [4, 3, 5]], 2)
    found = find(index, [(3,), (4,), (5,)])
    rows, _ = best_documents(index, found, np.array([1.0, 2.0, 0.5]), 1, 0.8, 9)
    assert rows.tolist() == [3, 0]


def test_found_takes_rows_by_number_or_by_mask() -> None:
    found = Found(np.array([1, 2]), np.array([0, 4]), np.array([3, 9]))
    assert found.count.tolist() == [3, 5]
    assert found.of(np.array([False, True])).begin.tolist() == [4]
