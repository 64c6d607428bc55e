"""JPQ's exact search for negatives, against a sort of all scores."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointir.joint import search
from jointir.joint.index import TrainablePQ
from jointir.joint.jpq import pad
from jointir.joint.scan import Rough
from jointir.quantize.pq import PQ


def random_pq(rng: np.random.Generator, n: int) -> PQ:
    """Return a quantizer of 8 dimensions, M=4, K=5, with a rotation, over n documents."""
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype("f4")
    centroids = rng.normal(size=(4, 5, 2)).astype("f4")
    return PQ(rotation, centroids, rng.integers(0, 5, (n, 4)).astype(np.uint8))


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1, 3, 7, 64]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_negatives_equal_a_naive_sort_whatever_the_chunk(monkeypatch, seed, n, chunk):
    rng = np.random.default_rng(seed)
    pq = random_pq(rng, 30)
    queries = rng.normal(size=(5, 8)).astype("f4")
    relevant = [rng.permutation(30)[: rng.integers(1, 5)] for _ in queries]
    monkeypatch.setattr(search, "CHUNK", chunk)
    monkeypatch.setattr(search, "SHARE", 1 + seed % 30)
    positives, valid = pad(relevant)
    found = TrainablePQ(pq).top_negatives(torch.from_numpy(queries), positives, valid, n).numpy()
    assert found.shape == (5, min(n, 30 - positives.shape[1]))
    for query, own, rows in zip(queries, relevant, found, strict=True):
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


def close(rng: np.random.Generator, size: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes of 6,000 documents and tables of 3 queries: nearly tied, of the given size.

    An entry differs from its neighbours by less than 11 bits tell apart.
    """
    codes = torch.from_numpy(rng.integers(0, 256, (6000, 8)).astype(np.uint8))
    tables = 1 + 1e-4 * rng.normal(size=(3, 8, 256))
    tables[1] *= -1
    return codes, torch.from_numpy((size * tables).astype("f4"))


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("threads", [1, 3])
def test_scores_that_16_bits_cannot_tell_apart_are_ranked_exactly(monkeypatch, size, threads):
    codes, tables = close(np.random.default_rng(1), size)
    monkeypatch.setattr(search, "CHUNK", 100)
    monkeypatch.setattr(search, "SHARE", 500)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = search.top_rows(codes, tables, torch.full((3, 1), -1), 40)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert_best(rows, codes, tables)


def assert_best(rows: torch.Tensor, codes: torch.Tensor, tables: torch.Tensor) -> None:
    """Compare the scores of int64[B, n] rows with the n best of all, in float64."""
    scores = tables.double()[:, torch.arange(codes.shape[1]), codes.long()].sum(2)  # [B, N]
    expected = scores.sort(dim=1, descending=True).values[:, : rows.shape[1]]
    torch.testing.assert_close(scores.gather(1, rows), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("B", [1, 31, 32, 33, 70])
def test_a_batch_of_any_size_is_searched(B):
    rng = np.random.default_rng(B)
    codes = torch.from_numpy(rng.integers(0, 16, (300, 3)).astype(np.uint8))
    tables = torch.from_numpy(rng.normal(size=(B, 3, 16)).astype("f4"))
    assert_best(search.top_rows(codes, tables, torch.full((B, 1), -1), 20), codes, tables)


def test_a_gpu_scores_every_document_with_the_tables_themselves(monkeypatch):
    rng = np.random.default_rng(3)
    codes = torch.from_numpy(rng.integers(0, 16, (300, 3)).astype(np.uint8))
    tables = torch.from_numpy(rng.normal(size=(5, 3, 16)).astype("f4"))
    monkeypatch.setattr(search, "CHUNK_CUDA", 70)
    scores, rows = search._search(codes, tables, torch.full((5, 1), -1), 20, 0, 300)
    assert_best(rows, codes, tables)
    own = tables[:, torch.arange(3), codes.long()].sum(2).gather(1, rows)
    torch.testing.assert_close(scores, own)


def test_documents_with_equal_scores_are_all_listed():
    codes = torch.zeros(50, 4, dtype=torch.uint8)
    rows = search.top_rows(codes, torch.ones(2, 4, 256), torch.full((2, 1), -1), 50)
    assert rows.sort(dim=1).values.tolist() == [list(range(50))] * 2


@pytest.mark.parametrize("offset", [0, 1e4])  # with 1e4, float32 rounds more than 16 bits do
@pytest.mark.parametrize("seed", range(5))
def test_no_document_that_reaches_a_score_is_ruled_out(seed, offset):
    rng = np.random.default_rng(seed)
    values = 1e-3 * rng.normal(size=(4, 24, 256)) if offset else rng.standard_cauchy((4, 24, 256))
    tables = torch.from_numpy((offset + values).astype("f4"))
    codes = rng.integers(0, 256, (5000, 24)).astype(np.uint8)
    codes[0] = tables[0].argmax(1)  # the largest sum there is
    codes[1] = tables[1].argmin(1)
    scores = tables[:, torch.arange(24), torch.from_numpy(codes).long()].sum(2)  # [4, 5000]
    rough, out = Rough(tables), np.empty(5000, np.int64)
    for rank in (1, 10, 1000, 5000):
        bar = scores.sort(dim=1, descending=True).values[:, rank - 1]
        found, end = rough.scan(codes, 0, 5000, rough.bars(bar), out)
        reach = set((scores >= bar[:, None]).any(0).nonzero().squeeze(1).tolist())
        assert reach <= set(out[:found].tolist())
        assert end == 5000


@pytest.mark.parametrize("seed", range(3))
def test_few_documents_below_a_score_are_left(seed):
    """The point of it all: with errors of M / 2 in 32,767, a tenth more than reach the bar."""
    rng = np.random.default_rng(seed)
    tables = torch.from_numpy(rng.normal(size=(32, 24, 256)).astype("f4"))
    codes = rng.integers(0, 256, (20000, 24)).astype(np.uint8)
    scores = tables[:, torch.arange(24), torch.from_numpy(codes).long()].sum(2)
    bar = scores.sort(dim=1, descending=True).values[:, 20]
    reach = int((scores >= bar[:, None]).any(0).sum())
    rough, out = Rough(tables), np.empty(20000, np.int64)
    found, _ = rough.scan(codes, 0, 20000, rough.bars(bar), out)
    assert reach <= found <= 1.1 * reach
    assert out[:found].tolist() == sorted(set(out[:found].tolist()))


def test_a_scan_stops_where_its_list_is_full_and_goes_on_from_there():
    codes = np.array([[1], [0], [1], [1], [0], [1]], np.uint8)
    rough = Rough(torch.tensor([[[0.0, 1.0]]]))
    bars, out = rough.bars(torch.tensor([1.0])), np.empty(2, np.int64)
    assert rough.scan(codes, 0, 6, bars, out) == (2, 3)
    assert out.tolist() == [0, 2]
    assert rough.scan(codes, 3, 6, bars, out) == (2, 6)
    assert out.tolist() == [3, 5]
    assert rough.scan(codes, 4, 5, bars, out) == (0, 5)
