"""JPQ's exact search for negatives, against a sort of all scores."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointir.joint import scan, search
from jointir.joint.index import TrainablePQ
from jointir.quantize.pq import PQ
from jointir.train.queries import pad


def random_pq(rng: np.random.Generator, n: int) -> PQ:
    """Return a quantizer of 8 dimensions, M=4, K=5, with a rotation, over n documents."""
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype("f4")
    centroids = rng.normal(size=(4, 5, 2)).astype("f4")
    return PQ(rotation, centroids, rng.integers(0, 5, (n, 4)).astype(np.uint8))


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1, 3, 7, 64]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_negatives_equal_a_naive_sort_whatever_the_room(monkeypatch, seed, n, room):
    rng = np.random.default_rng(seed)
    pq = random_pq(rng, 30)
    queries = rng.normal(size=(5, 8)).astype("f4")
    relevant = [rng.permutation(30)[: rng.choice([1, 2, 4, 29, 30])] for _ in queries]
    monkeypatch.setattr(scan, "PAIRS", 4 + room)
    monkeypatch.setattr(search, "SHARE", 1 + seed % 30)
    positives, valid = pad(relevant)
    found = TrainablePQ(pq).top_negatives(torch.from_numpy(queries), positives, valid, n).numpy()
    assert found.shape == (5, min(n, 30 - min(map(len, relevant))))
    for query, own, padded in zip(queries, relevant, found, strict=True):
        rows = padded[padded >= 0]
        assert len(rows) == min(n, 30 - len(own)) and set(padded[len(rows) :]) <= {-1}
        assert not set(rows) & set(own)  # not even when n is more than there are others
        assert len(set(rows)) == len(rows)
        scores = pq.decode() @ (pq.rotation @ query)
        others = np.delete(scores, own)
        # equal codes are tied: compare scores, not rows
        np.testing.assert_allclose(scores[rows], -np.sort(-others)[: len(rows)], atol=1e-5)


@given(st.lists(st.sets(st.integers(0, 29), min_size=1, max_size=6), min_size=1, max_size=5))
@settings(deadline=None)
def test_relevant_documents_are_never_negatives(judged):
    rng = np.random.default_rng(len(judged))
    index = TrainablePQ(random_pq(rng, 30))
    positives, valid = pad([np.array(sorted(j)) for j in judged])
    queries = torch.from_numpy(rng.normal(size=(len(judged), 8)).astype("f4"))
    for n in (3, 30):
        found = index.top_negatives(queries, positives, valid, n).tolist()
        assert all(not own & set(rows) for own, rows in zip(judged, found, strict=True))
        left = [min(n, 30 - len(own)) for own in judged]  # of each, whatever the others have
        assert [sum(row >= 0 for row in rows) for rows in found] == left


def best_rows(codes: np.ndarray, tables: np.ndarray, n: int) -> np.ndarray:
    """Return int64[B, n]: rows by float64 scores, best first, the first of equal ones."""
    scores = tables.astype(float)[:, np.arange(codes.shape[1]), codes].sum(2)  # [B, N]
    return np.argsort(-scores, axis=1, kind="stable")[:, :n]


def found(codes: np.ndarray, tables: np.ndarray, n: int) -> np.ndarray:
    """Return what the search finds where no document is excluded."""
    nothing = torch.zeros(len(tables), 0, dtype=torch.long)
    return search.top_rows(torch.from_numpy(codes), torch.from_numpy(tables), nothing, n).numpy()


def nearly_tied(rng: np.random.Generator, B: int) -> np.ndarray:
    """Return float32[B, 8, 256], entries that 16 bits of a sum cannot tell apart."""
    return (1 + 1e-6 * rng.normal(size=(B, 8, 256))).astype("f4")


TABLES = {
    "normal": lambda rng, B: rng.normal(size=(B, 8, 256)).astype("f4"),
    "one entry outweighs all": lambda rng, B: rng.standard_cauchy(size=(B, 8, 256)).astype("f4"),
    "nearly tied": nearly_tied,
    "nearly tied, tiny": lambda rng, B: np.float32(1e-12) * nearly_tied(rng, B),
    "nearly tied, huge, negative": lambda rng, B: np.float32(-1e12) * nearly_tied(rng, B),
    "tied by tens": lambda rng, B: rng.integers(0, 9, (B, 8, 256)).astype("f4"),
    "all equal": lambda rng, B: np.ones((B, 8, 256), "f4"),
}


@pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(("B", "n"), [(1, 1), (3, 40), (32, 40), (33, 7), (70, 1000)])
def test_rows_are_those_of_float64_and_the_first_of_equal_ones(monkeypatch, tables, B, n):
    rng = np.random.default_rng(B)
    codes = rng.integers(0, 256, (3000, 8)).astype(np.uint8)
    codes[2000:2100] = codes[:100]  # documents with equal codes
    tables = tables(rng, B)
    expected = best_rows(codes, tables, n)
    np.testing.assert_array_equal(found(codes, tables, n), expected)
    monkeypatch.setattr(scan, "PAIRS", 300)  # a full list, again and again
    monkeypatch.setattr(search, "SHARE", 700)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        np.testing.assert_array_equal(found(codes, tables, n), expected)
    finally:
        torch.set_num_threads(before)


def test_the_largest_sum_there_can_be_is_found():
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(32, 96, 256)).astype("f4")
    codes = rng.integers(0, 256, (2000, 96)).astype(np.uint8)
    codes[-32:] = tables.argmax(2)
    codes[:32] = tables.argmin(2)
    np.testing.assert_array_equal(found(codes, tables, 1).ravel(), range(2000 - 32, 2000))
    np.testing.assert_array_equal(found(codes, tables, 2000), best_rows(codes, tables, 2000))


def test_few_documents_are_scored_exactly(monkeypatch):
    """The point of it all: the error of a sum is 13 of 32,767."""
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(32, 24, 256)).astype("f4")
    codes = rng.integers(0, 256, (20000, 24)).astype(np.uint8)
    scored, original = [], scan._settle
    monkeypatch.setattr(scan, "_settle", lambda *a: scored.append(len(a[0])) or original(*a))
    np.testing.assert_array_equal(found(codes, tables, 50), best_rows(codes, tables, 50))
    assert 32 * 50 <= sum(scored) <= 1.2 * 32 * 50


def test_a_gpu_scores_every_document_with_the_tables_themselves(monkeypatch):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 16, (300, 3)).astype(np.uint8)
    tables = rng.normal(size=(5, 3, 16)).astype("f4")
    excluded = np.stack([best_rows(codes, t[None], 1)[0] for t in tables])
    monkeypatch.setattr(search, "CHUNK", 70)
    arguments = [torch.from_numpy(a) for a in (codes, tables, excluded)]
    every = search.in_chunks(*arguments, 300).numpy()
    assert (every[:, :299] >= 0).all() and (every[:, 299] == -1).all()  # one row is excluded
    rows = search.in_chunks(*arguments, 20).numpy()
    scores = tables[:, np.arange(3), codes].sum(2)
    np.put_along_axis(scores, excluded, -np.inf, 1)
    expected = -np.sort(-scores, axis=1)[:, :20]
    np.testing.assert_allclose(np.take_along_axis(scores, rows, 1), expected, rtol=1e-6)
