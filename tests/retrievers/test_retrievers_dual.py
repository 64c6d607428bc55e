"""The dual encoders beside STAR: where their negatives come from, and that each of them learns."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import embed, embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.joint.uncompressed import Uncompressed
from jointir.retrievers.adore import adore
from jointir.retrievers.dual import dual
from jointir.train import dual_encoder, training
from jointir.train.batches import Batches
from jointir.train.dual_encoder import margin_loss
from jointir.train.mining import mine
from jointir.train.negatives import Periodic, bm25_negatives, random_negatives, refreshed
from jointir.train.pairs import training_pairs
from test_search_bm25 import scores
from tiny import D, N, flat, make, pairs_of, save_encoder

OPTIONS = {"steps": 30, "batch": 8, "lr": 1e-3, "warmup": 3, "scale": 20.0}
OPTIONS |= {"random_weight": 0.1, "depth": 20, "seed": 3}
JPQS = {"steps": 30, "batch": 8, "negatives": 20, "lr": 1e-3, "warmup": 3, "lambda_cut": 20}
JPQS |= {"scale": 20.0, "seed": 3}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("dual"))


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6))
@settings(max_examples=50)
def test_random_negatives_are_all_rows_but_the_relevant(seed, N, depth):
    rng = np.random.default_rng(seed)
    positives = [rng.permutation(N)[: rng.integers(0, N)] for _ in range(4)]
    among = np.sort(rng.permutation(N)[: rng.integers(1, N + 1)])
    pairs = pairs_of(positives, N, among=among)
    found = random_negatives(pairs, depth, seed)
    assert found.shape == (4, depth)
    for relevant, row in zip(positives, found, strict=True):
        possible = set(among) - set(relevant)
        assert set(row) <= possible if possible else set(row) == {-1}
    assert np.array_equal(found, random_negatives(pairs, depth, seed))


def test_random_negatives_are_drawn_evenly():
    found = random_negatives(pairs_of([np.array([2, 0])] * 500, 6), 20, 1)
    counts = np.bincount(found.ravel(), minlength=6)
    assert counts[0] == counts[2] == 0
    np.testing.assert_allclose(counts[[1, 3, 4, 5]], 2500, rtol=0.05)


@pytest.mark.parametrize("mined_from", ["all", "labelled"])
def test_bm25s_negatives_rank_highest_and_share_a_word(tiny, mined_from):
    pairs = training_pairs(tiny.collection, mined_from)
    texts, positives, _, among, _ = pairs
    docs = document_texts(read_corpus(tiny.collection))
    depth = 90 if mined_from == "all" else 30
    found = bm25_negatives(pairs, docs, depth, 1)
    filled = random_negatives(pairs, depth, 1)
    short = 0
    for text, relevant, row, rest in zip(texts, positives, found, filled, strict=True):
        right = scores(docs, text, k1=1.5, b=0.75)
        right[relevant] = 0
        right[np.setdiff1d(np.arange(N), among.rows)] = 0
        assert set(row) <= set(among.rows)
        matching = min(depth, (right > 0).sum())
        assert not set(row) & set(relevant)
        best = np.sort(right)[::-1][:matching]
        np.testing.assert_allclose(right[row[:matching]], best, rtol=1e-4)
        assert np.array_equal(row[matching:], rest[matching:])
        short += matching < depth
    assert 0 < short < len(texts) or mined_from == "labelled"


def test_refreshed_negatives_are_those_of_the_encoder_as_it_is(tiny):
    pairs = training_pairs(tiny.collection)
    docs = document_texts(read_corpus(tiny.collection))
    model = DualEncoder.load(tiny.encoder).train()
    found = refreshed(model, pairs, docs, 10, 256, False)
    assert model.training
    queries = embed_texts(model.eval(), pairs.texts, "query", 256, False)
    assert np.array_equal(found, mine(queries, np.load(tiny.docs), pairs, 10))
    others = np.load(tiny.docs)[::-1]
    known = refreshed(model, pairs, docs, 10, 256, False, others)
    assert np.array_equal(known, mine(queries, others, pairs, 10))


def test_periodic_negatives_are_found_once_a_period_and_outlive_a_crash(tmp_path):
    calls = []

    def find(step: int) -> np.ndarray:
        calls.append(step)
        return np.full((2, 3), len(calls))

    source = Periodic(find, 4, tmp_path, "x")
    assert [source(step)[0, 0] for step in range(10)] == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    again = Periodic(find, 4, tmp_path, "x")
    assert again(6)[0, 0] == 2 and calls == [0, 4, 8]
    assert Periodic(find, 4, tmp_path, "y")(0)[0, 0] == 4  # of another training
    again.remove()
    assert list(tmp_path.iterdir()) == []


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(next(folder.rglob("*.safetensors")))


def differ(a: Path, b: Path) -> bool:
    left, right = weights(a), weights(b)
    return any(not np.array_equal(left[name], right[name]) for name in left)


@given(st.integers(0, 10**6), st.integers(2, 9))
@settings(max_examples=30)
def test_repberts_loss_is_torchs_where_each_query_has_one_positive_in_the_batch(seed, B):
    scores = torch.randn(B, B, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    labels = torch.full((B, B), -1)
    labels[:, 0] = torch.arange(B)
    right = torch.nn.functional.multilabel_margin_loss(scores, labels)
    assert margin_loss(scores, torch.eye(B, dtype=torch.bool)).item() == pytest.approx(right.item())


def test_repbert_has_no_negatives_among_what_is_relevant_to_a_query():
    scores = torch.tensor([[1.0, 5.0, 0.5], [0.0, 2.0, 2.5], [0.0, 0.0, 3.0]])
    relevant = torch.eye(3, dtype=torch.bool)
    relevant[0, 1] = True
    # of query 0: max(0, 1 - 1 + .5); of query 1: max(0, 1 - 2 + 0), max(0, 1 - 2 + 2.5)
    assert margin_loss(scores, relevant).item() == pytest.approx((0.5 + 1.5) / 3 / 3)


def test_batches_without_hard_negatives_have_the_positives_alone(tiny):
    model, pairs = DualEncoder.load(tiny.encoder), training_pairs(tiny.collection)
    bodies = document_texts(read_corpus(tiny.collection))
    alone = Batches(model, pairs, None, bodies, 8, 3)
    beside = Batches(model, pairs, lambda _: random_negatives(pairs, 5, 3), bodies, 8, 3)
    for step in range(3):
        q, d, relevant = alone(step)
        others = beside(step)
        assert q == others[0] and d == others[1][:8]
        assert torch.equal(relevant, others[2][:, :8]) and relevant.shape == (8, 8)


@pytest.mark.parametrize(
    ("negatives", "refresh"), [("random", 0), ("bm25", 0), ("own", 10), ("in-batch", 0)]
)
def test_training_lowers_the_loss(tiny, tmp_path, monkeypatch, negatives, refresh):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    options = OPTIONS | {"negatives": negatives, "refresh": refresh, "docs": tiny.docs}
    flat(dual)(tiny.collection, tiny.encoder, tmp_path / "model", tmp_path / "scratch", **options)
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert differ(tmp_path / "model", tiny.encoder)


def test_each_source_of_negatives_trains_another_encoder(tiny, tmp_path):
    names = ("random", "bm25", "own", "in-batch")
    for name in names:
        options = OPTIONS | {"negatives": name, "steps": 2, "docs": tiny.docs}
        flat(dual)(tiny.collection, tiny.encoder, tmp_path / name, tmp_path / "s", **options)
    for a, b in combinations(names, 2):
        assert differ(tmp_path / a, tmp_path / b)


def test_a_training_that_was_cut_between_two_refreshes_ends_as_one_that_was_not(
    tiny, tmp_path, monkeypatch
):
    options = OPTIONS | {"negatives": "own", "refresh": 3, "steps": 7, "checkpoint_minutes": 0}
    options["docs"] = tiny.docs
    flat(dual)(tiny.collection, tiny.encoder, tmp_path / "whole", tmp_path / "s", **options)
    star_loss, done = dual_encoder.star_loss, []

    def failing(*args, **weight):
        done.append(1)
        if len(done) == 6:  # in step 5: negatives are of step 3, the checkpoint of step 5
            raise KeyboardInterrupt
        return star_loss(*args, **weight)

    monkeypatch.setattr("jointir.retrievers.dual.star_loss", failing)
    with pytest.raises(KeyboardInterrupt):
        flat(dual)(tiny.collection, tiny.encoder, tmp_path / "cut", tmp_path / "s", **options)
    flat(dual)(tiny.collection, tiny.encoder, tmp_path / "cut", tmp_path / "s", **options)
    assert len(done) == 6 + 2  # steps 5 and 6 alone were done again
    assert not differ(tmp_path / "cut", tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "whole"]


def test_unknown_negatives_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match=r"negatives: 'hard' is unknown.*random"):
        flat(dual)(
            tiny.collection, tiny.encoder, tmp_path / "m", tmp_path, negatives="hard", **OPTIONS
        )
    with pytest.raises(InputError, match=r"docs: an encoder's own negatives need it"):
        flat(dual)(
            tiny.collection, tiny.encoder, tmp_path / "m", tmp_path, negatives="own", **OPTIONS
        )


def test_an_encoders_own_negatives_are_first_found_in_the_embeddings_it_is_given(tiny, tmp_path):
    np.save(tmp_path / "others.npy", np.load(tiny.docs)[::-1])
    for name, docs in (("right", tiny.docs), ("other", tmp_path / "others.npy")):
        options = OPTIONS | {"negatives": "own", "steps": 2, "docs": docs}
        flat(dual)(tiny.collection, tiny.encoder, tmp_path / name, tmp_path / "s", **options)
    assert differ(tmp_path / "right", tmp_path / "other")
    np.save(tmp_path / "narrow.npy", np.load(tiny.docs)[:, :3])
    options["docs"] = tmp_path / "narrow.npy"
    with pytest.raises(InputError, match=f"narrow.npy: has 3 dimensions, the encoder {D}"):
        flat(dual)(tiny.collection, tiny.encoder, tmp_path / "m", tmp_path / "s", **options)


def test_adore_learns_from_brute_forces_ranking(tiny, tmp_path, monkeypatch):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    paths = (tiny.collection, tiny.encoder, tmp_path / "model", tmp_path / "scratch", tiny.docs)
    flat(adore)(*paths, **JPQS, mined_from="all")
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    before, after = tmp_path / "before.npy", tmp_path / "after.npy"
    for encoder, out in ((tiny.encoder, before), (tmp_path / "model", after)):
        embed(tiny.collection, encoder, out, "query", ["train"], dtype="float32")
    docs, (_, relevant, *_) = np.load(tiny.docs), training_pairs(tiny.collection)

    def reciprocal_rank(queries: np.ndarray) -> float:
        order = np.argsort(-(queries @ docs.T), axis=1)
        hits = zip(order, relevant, strict=True)
        return np.mean([1 / (1 + np.isin(row, own).argmax()) for row, own in hits])

    assert reciprocal_rank(np.load(after)) > 3 * reciprocal_rank(np.load(before))


def test_uncompressed_scores_are_inner_products(tiny):
    import torch

    docs = np.load(tiny.docs)
    queries = torch.from_numpy(np.load(tiny.queries)[:5])
    rows = torch.arange(15).view(5, 3)
    found = Uncompressed(docs).scores(queries, rows)
    expected = np.einsum("bd,bnd->bn", queries.numpy(), docs[rows.numpy()])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_adore_refuses_another_encoders_embeddings(tiny, tmp_path):
    other = save_encoder(tmp_path / "wide", hidden=2 * D)
    with pytest.raises(InputError, match=f"has {D} dimensions, the encoder {2 * D}"):
        flat(adore)(tiny.collection, other, tmp_path / "m", tmp_path / "s", tiny.docs, **JPQS)
