"""JPQ's exact search for negatives, against a sort of all scores."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointir.joint import search
from jointir.joint.index import TrainablePQ
from jointir.joint.jpq import pad
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
    monkeypatch.setattr(search, "ENOUGH", seed % 9)
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
    monkeypatch.setattr(search, "CHUNK", 500)
    monkeypatch.setattr(search, "ENOUGH", 100)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = search.top_rows(codes, tables, torch.full((3, 1), -1), 40)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    scores = tables.double()[:, torch.arange(8), codes.long()].sum(2)  # [3, 6000]
    expected = scores.sort(dim=1, descending=True).values[:, :40]
    torch.testing.assert_close(scores.gather(1, rows), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_rough_sum_is_within_its_error(seed):
    rng = np.random.default_rng(seed)
    entries = torch.from_numpy(rng.standard_cauchy(size=(24 * 256, 4)).astype("f4"))
    rough, factor = search._rough(entries, 24)
    bags = torch.from_numpy(rng.integers(0, 256, (2000, 24)) + 256 * np.arange(24))
    bags[0] = 256 * torch.arange(24) + entries[:, 0].view(24, 256).argmax(1)  # the largest sum
    sums = torch.nn.functional.embedding_bag(bags, rough, mode="sum").double()
    exact = entries.double()[bags].sum(1) * factor
    assert (sums - exact).abs().max() < search.ERROR
    assert exact.abs().max() < 1.0001 * search.LARGEST


def test_a_chunk_that_is_ruled_out_is_scored_once(monkeypatch):
    """The point of it all: later documents, all worse, are never scored exactly."""
    codes = torch.zeros(3000, 2, dtype=torch.uint8)
    codes[:1000] = 1
    tables = torch.zeros(1, 2, 256)
    tables[:, :, 1] = 1.0
    asked = []
    bag = search.embedding_bag
    monkeypatch.setattr(search, "CHUNK", 1000)
    monkeypatch.setattr(search, "ENOUGH", 1)
    monkeypatch.setattr(
        search, "embedding_bag", lambda i, e, **k: asked.append((len(i), e.dtype)) or bag(i, e, **k)
    )
    entries = tables.view(-1, 1)
    nothing = torch.full((1, 1), -1)
    search._search(codes, entries, *search._rough(entries, 2), nothing, 10, 0, 3000)
    exact = [n for n, dtype in asked if dtype == torch.float32]
    assert exact == [1000, 0]
