"""STAR's loss against a double loop, its negatives against a naive ranking, its training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus, read_qrels, read_queries
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.methods.star import Settings
from jointir.retrievers import star as module
from jointir.retrievers.star import star
from jointir.train import mining, negatives, training
from jointir.train.batches import Batches
from jointir.train.dual_encoder import star_loss
from jointir.train.mining import mine
from jointir.train.order import batch_of
from jointir.train.pairs import training_pairs, used_pairs
from tiny import flat, make, pairs_of

OPTIONS = {"steps": 30, "batch": 8, "lr": 1e-3, "warmup": 3, "scale": 20.0}
OPTIONS |= {"random_weight": 0.1, "depth": 20, "seed": 3}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("star"))


def loop_loss(scores: np.ndarray, relevant: np.ndarray, random_weight: float) -> float:
    """L_hard + w L_random, pair by pair."""
    B = len(scores)
    hard, random = [], []
    for b in range(B):
        for c in range(2 * B):
            pair = math.log1p(math.exp(scores[b, c] - scores[b, b]))
            if c == B + b:
                hard.append(pair)
            elif not relevant[b, c]:
                random.append(pair)
    return np.mean(hard) + random_weight * (np.mean(random) if random else 0)


@given(st.integers(1, 6), st.integers(0, 10**6), st.floats(0, 1))
@settings(deadline=None)
def test_loss_equals_the_double_loop(B, seed, random_weight):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(B, 2 * B)) * 3
    relevant = rng.random((B, 2 * B)) < 0.2
    relevant[np.arange(B), np.arange(B)] = True
    relevant[np.arange(B), B + np.arange(B)] = False
    mask = torch.from_numpy(relevant)
    found = star_loss(torch.from_numpy(scores), mask, random_weight).item()
    assert found == pytest.approx(loop_loss(scores, relevant, random_weight), abs=1e-6)
    assert np.array_equal(mask.numpy(), relevant)  # left as it was


def test_relevant_documents_get_no_gradient_as_negatives():
    scores = torch.zeros(2, 4, requires_grad=True)
    relevant = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]]).bool()
    star_loss(scores, relevant, 1.0).backward()
    # hard: 1/2 at (0, 2), (1, 3); random: the pairs (0, 3) and (1, 0); each sigmoid(0) / 2
    expected = torch.tensor([[-0.5, 0, 0.25, 0.25], [0.25, -0.5, 0, 0.25]])
    torch.testing.assert_close(scores.grad, expected)


@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from([1, 30, 10**6]))
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
def test_mined_rows_equal_a_naive_ranking(monkeypatch, seed, depth, ranked_at_a_time):
    monkeypatch.setattr(mining, "RANKED", ranked_at_a_time)
    rng = np.random.default_rng(seed)
    docs, queries = rng.normal(size=(15, 4)).astype("f2"), rng.normal(size=(3, 4)).astype("f4")
    positives = [rng.permutation(15)[: rng.integers(1, 16)] for _ in queries]
    among = np.sort(rng.permutation(15)[: rng.integers(1, 16)])
    found = mine(queries, docs, pairs_of(positives, 15, among=among), depth)
    assert found.shape == (3, min(depth, len(among)))
    for query, relevant, row in zip(queries, positives, found, strict=True):
        ranked = np.argsort(-(docs.astype("f4") @ query), kind="stable")
        expected = [r for r in ranked if r in among and r not in relevant] + [-1] * 15
        assert row.tolist() == expected[: len(row)]


def test_training_pairs_are_the_relevant_ones_of_the_training_split(tiny):
    texts, rows, never, among, _ = training_pairs(tiny.collection)
    queries = read_queries(tiny.collection, "train")
    assert texts == queries["text"].tolist()
    qrels = read_qrels(tiny.collection / "qrels" / "train.trec")
    ids = read_corpus(tiny.collection)["doc_id"].to_numpy()
    for query, found in zip(queries["query_id"], rows, strict=True):
        judged = qrels[qrels["query_id"].eq(query) & qrels["relevance"].gt(0)]
        assert sorted(ids[found]) == sorted(judged["doc_id"])
    assert (qrels["relevance"] == 0).sum() == 1  # there is something to leave out
    assert {len(r) for r in rows} == {1, 2}
    assert all(map(np.array_equal, rows, never))  # nothing else is no negative
    assert among.N == len(ids) and among.rows.tolist() == sorted({r for own in rows for r in own})
    everything = training_pairs(tiny.collection, "all").among
    assert everything.rows.tolist() == list(range(len(ids)))
    with pytest.raises(InputError, match="mined_from: 'some' is unknown"):
        training_pairs(tiny.collection, "some")


def test_drawn_candidates_are_relevant_to_a_query_of_the_batches(tiny):
    own = OPTIONS | {"steps": 2, "batch": 5}
    drawn = used_pairs(tiny.collection, Settings(**own, mined_from="drawn"))
    labelled = used_pairs(tiny.collection, Settings(**own, mined_from="labelled"))
    assert drawn.texts == labelled.texts and len(drawn.texts) == 10
    wanted = sorted({row for rows in drawn.positives for row in rows})
    assert drawn.among.rows.tolist() == wanted and drawn.among.N == labelled.among.N
    assert len(wanted) < len(labelled.among.rows)


def test_a_query_without_a_negative_among_the_drawn_gets_all_labelled_ones(tiny, monkeypatch):
    monkeypatch.setattr("jointir.train.pairs.shuffled", lambda *_: np.array([0]))  # alone
    drawn = used_pairs(tiny.collection, Settings(**OPTIONS, mined_from="drawn"))
    assert len(drawn.texts) == 1
    labelled = used_pairs(tiny.collection, Settings(**OPTIONS, mined_from="labelled"))
    assert np.array_equal(drawn.among.rows, labelled.among.rows)


@pytest.mark.parametrize("mined_from", ["drawn", "labelled", "all"])
def test_star_embeds_the_candidates_alone_and_mines_the_same(
    tiny, tmp_path, monkeypatch, mined_from
):
    mined, embedded = [], []
    mine, embed = negatives.mine, negatives.embed_texts
    monkeypatch.setattr(negatives, "mine", lambda *args: mined.append(mine(*args)) or mined[-1])

    def count(model, texts, kind, *rest):
        embedded.append((kind, len(texts)))
        return embed(model, texts, kind, *rest)

    monkeypatch.setattr(negatives, "embed_texts", count)
    monkeypatch.setattr(module, "has_bf16", lambda _: False)  # as the docs of `tiny`
    own = OPTIONS | {"steps": 2, "batch": 5, "mined_from": mined_from}
    for docs in (tiny.docs, None):
        flat(star)(tiny.collection, tiny.encoder, tmp_path / "m", tmp_path / "s", docs, **own)
    assert np.array_equal(*mined)
    n = len(used_pairs(tiny.collection, Settings(**own)).among.rows)
    assert embedded == [("query", 10), ("document", n), ("query", 10)]


def test_a_batch_knows_every_relevant_pair(tiny):
    model = DualEncoder.load(tiny.encoder)
    pairs = training_pairs(tiny.collection)
    texts, positives, *_ = pairs
    queries = embed_texts(model.eval(), texts, "query", 256, False)
    negatives = mine(queries, np.load(tiny.docs), pairs, 5)
    corpus = read_corpus(tiny.collection)
    everything = (corpus["title"] + " " + corpus["text"]).str.strip().tolist()
    assert document_texts(corpus) == everything
    batches = Batches(model, pairs, lambda _: negatives, everything, 20, 0)
    row = {tuple(t): i for i, t in enumerate(model.tokenize(everything, "document"))}
    number = {tuple(t): i for i, t in enumerate(model.tokenize(texts, "query"))}
    for step in range(4):
        q, d, relevant = batches(step)
        assert (len(q), len(d), relevant.shape) == (20, 40, (20, 40))
        assert relevant[:, :20].diagonal().all()
        assert not relevant[:, 20:].diagonal().any()
        docs = [row[tuple(t)] for t in d]
        for b, tokens in enumerate(q):
            mine_of = number[tuple(tokens)]
            assert relevant[b].tolist() == [x in positives[mine_of] for x in docs]
            assert docs[20 + b] in negatives[mine_of]


def test_training_lowers_the_loss_and_saves_a_standard_encoder(tiny, tmp_path, monkeypatch):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    out = tmp_path / "star"
    flat(star)(tiny.collection, tiny.encoder, out, tmp_path / "scratch", tiny.docs, **OPTIONS)
    assert len(losses) == 30
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    assert [p.name for p in tmp_path.iterdir()] == ["star"]  # the scratch folder is gone
    assert not [p for p in out.rglob("*") if p.suffix in (".bin", ".pt", ".pkl", ".pth")]
    assert list(out.rglob("*.safetensors"))
    texts = ["w1 w2 w3", "w4"]
    plain = SentenceTransformer(str(out), device="cpu").encode_document(texts)
    ours = embed_texts(DualEncoder.load(out).eval(), texts, "document", 64, False)
    before = embed_texts(DualEncoder.load(tiny.encoder).eval(), texts, "document", 64, False)
    np.testing.assert_allclose(ours, plain, atol=1e-5)
    assert np.abs(ours - before).max() > 1e-3


def test_a_batch_or_depth_above_the_data_is_told_as_what_it_is(tiny, tmp_path, capsys):
    batch_of.cache_clear()
    paths = (tiny.collection, tiny.encoder, tmp_path / "star", tmp_path / "scratch", tiny.docs)
    flat(star)(*paths, **OPTIONS | {"steps": 2, "batch": 1000, "depth": 100_000})
    log = capsys.readouterr().err.splitlines()
    batches = [line for line in log if "a batch has" in line]
    assert batches == ["a batch has all 40 rows there are to train on, 1000 were asked for"]
    mined = [line for line in log if line.startswith("mine ")]
    assert len(mined) == 1 and mined[0].startswith("mine 46 hard negatives for 40 queries: done")
    asked = "a query has at most 46 negatives, 100000 were asked for"  # of 47 that are labelled
    assert log.count(asked) == 1
    flat(star)(*paths, **OPTIONS | {"steps": 2})
    log = capsys.readouterr().err
    assert "mine 20 hard negatives for 16 queries: done" in log and "asked for" not in log


def test_the_same_seed_gives_the_same_bytes_another_seed_others(tiny, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        options = OPTIONS | {"steps": 3, "seed": seed}
        flat(star)(
            tiny.collection, tiny.encoder, tmp_path / name, tmp_path / "s", tiny.docs, **options
        )
    a, b, c = (next((tmp_path / n).rglob("*.safetensors")).read_bytes() for n in "abc")
    assert a == b
    assert a != c
