"""Given identifiers, and the decoder that learns final ones."""

import numpy as np
import pytest
import torch

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.generative import losses
from jointir.generative.controls import fixed_ids
from jointir.generative.given import KINDS, given_ids
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import read_ids
from jointir.generative.mixture import Mixture
from jointir.generative.model import GenerativeRetriever
from jointir.generative.pairs import Pairs
from jointir.generative.train_decoder import Examples, Sentences, train_decoder
from jointir.train.checkpoint import Checkpoint

N, L, V = tiny_data.N, 3, 16
WIDTH = 64
SETTINGS = {
    "steps": 8,
    "batch": 20,
    "lr": 1e-2,
    "warmup": 1,
    "nearby": 0.5,
    "scale": 20.0,
    "queries": 10,
    "sentences": 4,
    "moved": 1.0,
    "vectors": "embeddings",
}
SETTINGS |= dict.fromkeys(("general", "search", "dropout", "consistency"), 0.0)
SETTINGS |= {"holdout": 0.0, "seed": 1, "checkpoint_minutes": 0}
HALF = Mixture(6, 6, 0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def given(tiny, tmp_path_factory):
    """Return a function that gives identifiers of a kind: model folder and parquet."""
    folder = tmp_path_factory.mktemp("given")

    def make(kind="residual", name="a", decoder="prefix", **changed):
        paths = {"out": folder / f"{kind}-{name}", "out_ids": folder / f"{kind}-{name}.parquet"}
        inputs = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
        shape = {
            "indexer": "mlp",
            "length": L,
            "vocabulary": V,
            "decoder": decoder,
            "layers": 1,
            "width": WIDTH,
            "prototypes": 2,
        }
        fixed_ids(**inputs, **paths, kind=kind, **shape | changed, seed=1)
        return paths["out"], paths["out_ids"]

    return make


def run(tiny, model, ids, out, **changed):
    """Train a decoder into `out`/model; return its hash."""
    paths = {"out": out / "model", "scratch": out / "scratch", "docs": tiny.docs}
    tiny_data.flat(train_decoder)(tiny.collection, model, ids, **paths, **SETTINGS | changed)
    return sha256(out / "model")


OF_ALL = [kind for kind in KINDS if kind not in ("product", "atomic")]  # 3 divides no 32


@pytest.mark.parametrize("kind", OF_ALL)
def test_fixed_ids_are_what_they_say(tiny, given, kind):
    (model, ids), (again, same) = given(kind, "a"), given(kind, "b")
    assert sha256(model) == sha256(again) and sha256(ids) == sha256(same)
    doc_ids, found = read_ids(ids)
    assert doc_ids == [f"d{i}" for i in range(N)] and found.shape == (N, L)
    docs = np.load(tiny.docs).astype(np.float32)
    assert found.tolist() == given_ids(kind, docs, L, V, 1).tolist()


def examples(n=40, queries=24, **changed):
    """Return examples over random embeddings; document i has identifier (i,)."""
    generator = torch.Generator().manual_seed(0)
    docs = torch.nn.functional.normalize(torch.randn(n, 8, generator=generator), dim=1)
    relevant = [np.array([i, i + 1]) if i % 5 == 0 else np.array([i]) for i in range(queries)]
    e_q = torch.nn.functional.normalize(
        docs[:queries] + 0.2 * torch.randn(queries, 8, generator=generator), dim=1
    )
    settings = {"nearby": 0.0, "scale": 10.0, "seed": 3} | changed
    return Examples(e_q, relevant, docs, torch.arange(n)[:, None], n, **settings)


def test_without_neighbours_every_target_is_relevant():
    drawn = examples()
    for step in range(20):
        e, target, soft = drawn(step, HALF)
        assert e.shape == (12, 8) and target.shape == (12, 1) and soft.shape == (12, 1, 40)
        assert torch.equal(soft.argmax(2), target) and (soft.amax(2) == 1).all()
        torch.testing.assert_close(e.norm(dim=1), torch.ones(12))
        for own, found in zip(e[:6], target[:6, 0].tolist(), strict=True):
            query = (drawn.queries - own).norm(dim=1).argmin().item()
            assert torch.equal(drawn.queries[query], own) and found in drawn.relevant[query]


def test_every_second_query_is_generated_where_there_are_such():
    drawn = examples(real=10)  # of 24: their documents move to none of the generated ones
    plain, seen = examples(), set()
    for step in range(20):
        e, target, _ = drawn(step, HALF)
        rows = [int((drawn.queries - own).norm(dim=1).argmin()) for own in e[:6]]
        assert [row >= 10 for row in rows] == [True, False] * 3
        for row, found in zip(rows, target[:6, 0].tolist(), strict=True):
            assert found in drawn.relevant[row]
        seen.update(rows)
        # where all of them are real, what is drawn is what it was
        assert torch.equal(plain(step, HALF)[0], examples(real=24)(step, HALF)[0])
    assert len(seen) > 18


@pytest.mark.parametrize("real", [24, 10])
def test_documents_move_along_the_way_to_a_query(real):
    drawn, seen = examples(real=real), 0
    ways = [
        (drawn.queries[q] - drawn.docs[d])
        for q, rows in enumerate(drawn.relevant[:real])
        for d in rows
    ]
    for step in range(5):
        e, target, _ = drawn(step, HALF)
        for moved, row in zip(e[6:], target[6:, 0], strict=True):
            start = drawn.docs[row]
            ends = torch.stack([start + way for way in ways])
            # moved, start and one of the ends lie in one plane, moved between the others
            basis = torch.linalg.qr(torch.stack([start.expand_as(ends), ends], 2)).Q  # [w, 8, 2]
            rest = moved - (basis @ (basis.transpose(1, 2) @ moved[:, None])).squeeze(2)
            assert rest.norm(dim=1).min() < 1e-5
            seen += int((moved - start).norm() > 1e-3)
    assert seen > 25


def test_targets_are_the_softmax_over_the_documents_near(monkeypatch):
    monkeypatch.setattr("jointir.generative.train_decoder.NEAR", 5)
    drawn = examples(nearby=0.7)
    for step in range(5):
        e, _, soft = drawn(step, HALF)
        scores = 10.0 * e @ drawn.docs.T
        for row, found in zip(scores, soft[:, 0], strict=True):
            best = row.topk(5)
            expected = torch.zeros(40)
            expected[best.indices] = 0.7 * best.values.softmax(0)
            own = (found - expected).argmax()  # the one with .3 more
            expected[own] += 0.3
            torch.testing.assert_close(found, expected)


def test_paths_are_drawn_from_the_softmax():
    drawn, counts = examples(nearby=1.0), torch.zeros(40)
    expected, at = torch.zeros(40), 0
    for step in range(1500):
        e, target, _ = drawn(step, HALF)
        counts += torch.bincount(target[:, 0], minlength=40)
        expected += (10.0 * e @ drawn.docs.T).softmax(1).sum(0)
        at += len(e)
    error = (counts - expected).abs() / expected.clamp(min=1).sqrt()
    assert counts.sum() == at and error.max() < 4.5


def test_what_is_barred_is_no_target_near_a_query():
    barred = [np.array([i, i + 1]) for i in range(24)]
    seen, free = 0, examples(nearby=1.0, scale=50.0)
    for step in range(50):
        drawn = examples(nearby=1.0, scale=50.0, barred=barred)
        e, target, soft = drawn(step, HALF)
        for own, found, p in zip(e[:6], target[:6, 0].tolist(), soft[:6, 0], strict=True):
            assert p[barred[(drawn.queries - own).norm(dim=1).argmin().item()]].sum() == 0
            assert found not in barred[(drawn.queries - own).norm(dim=1).argmin().item()]
        plain = free(step, HALF)[1]
        assert torch.equal(target[6:], plain[6:])  # documents' neighbours are as they were
        seen += int((target != plain).sum())
    assert seen > 200  # without the bar nearly all of 300 are a query's own document


def test_scores_in_parts_give_the_same_targets(monkeypatch):
    drawn = examples(nearby=1.0)
    whole = drawn(5, HALF)[1]
    barred = examples(nearby=1.0, barred=[np.arange(i, 40) for i in range(10, 34)])
    others = barred(5, HALF)[1]
    assert not torch.equal(others, whole)
    monkeypatch.setattr("jointir.generative.train_decoder.SCORES", 3 * 40)
    assert torch.equal(drawn(5, HALF)[1], whole)
    assert torch.equal(barred(5, HALF)[1], others)


def test_a_batch_is_a_function_of_seed_and_step():
    a, b = examples()(7, HALF), examples()(7, HALF)
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert not torch.equal(a[0], examples()(8, HALF)[0])
    assert not torch.equal(a[0], examples(seed=4)(7, HALF)[0])


@pytest.mark.parametrize(
    ("decoder", "instructions"), [("prefix", ""), ("prefix", "amx_bf16"), ("bart", "")]
)
def test_only_the_decoder_learns_and_it_learns_the_ids(
    tiny, given, tmp_path, decoder, instructions
):
    model, ids = given("residual", decoder, decoder)
    with tiny_data.on_processor(instructions):
        run(tiny, model, ids, tmp_path, steps=150, nearby=0.0)
    before, after = GenerativeRetriever.load(model), GenerativeRetriever.load(tmp_path / "model")
    for part in ("encoder", "indexer"):
        old, new = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        assert all(torch.equal(old[key], new[key]) for key in old)
    e = torch.from_numpy(np.load(tiny.docs).astype(np.float32))
    codes = torch.tensor(read_ids(ids)[1])
    with torch.inference_mode():
        loss = [losses.generation(m.decoder(e, codes), codes).item() for m in (before, after)]
    assert loss[1] < loss[0] - 1  # nats; uniform would be 8.3


def test_sentences_are_asked_for_their_documents():
    rows = np.array([30, 31, 35])
    sentences = Sentences(torch.eye(8)[:3], rows)
    e, target, _ = examples(sentences=sentences)(0, Mixture(6, 2, 4))
    assert e.shape == (12, 8)
    for own, found in zip(e[8:], target[8:, 0].tolist(), strict=True):
        assert rows[own.argmax()] == found and own.sum() == 1
    plain = examples()(0, HALF)
    assert torch.equal(plain[0][:6], e[:6])  # the queries are the same


def test_a_training_draws_sentences_of_the_documents_it_sees(tiny):
    kept = np.arange(0, N, 2)
    pairs = Pairs(tiny.collection, DualEncoder.load(tiny.encoder), kept, 1)
    texts, rows = pairs.sentences(60)
    whole = document_texts(read_corpus(tiny.collection))
    assert len(texts) == 60 and rows.max() < len(kept) and len(set(rows)) > 20
    assert all(
        text in " ".join(whole[kept[row]].split()) for text, row in zip(texts, rows, strict=True)
    )
    assert pairs.sentences(60)[0] == texts


def test_killed_and_resumed_is_uninterrupted(tiny, given, tmp_path, monkeypatch, capsys):
    model, ids = given()
    whole = run(tiny, model, ids, tmp_path / "a")
    assert whole == run(tiny, model, ids, tmp_path / "c")
    right = Checkpoint.save

    def dies(self, step, *rest):
        right(self, step, *rest)
        if step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            run(tiny, model, ids, tmp_path / "b")
    assert not (tmp_path / "b" / "model").exists()
    assert run(tiny, model, ids, tmp_path / "b") == whole
    assert "resumed after step 5" in capsys.readouterr().err


def test_what_is_held_out_is_not_learned(tiny, given, tmp_path, monkeypatch):
    model, ids = given()
    found = {}
    right = Examples.__init__

    def spy(self, queries, relevant, docs, targets, *rest):
        found.update(docs=docs, targets=targets, relevant=relevant)
        right(self, queries, relevant, docs, targets, *rest)

    monkeypatch.setattr(Examples, "__init__", spy)
    run(tiny, model, ids, tmp_path, steps=1, holdout=0.25)
    kept = seen_documents(N, 0.25, 1)
    assert found["targets"].tolist() == read_ids(ids)[1][kept].tolist()
    np.testing.assert_array_equal(found["docs"], np.load(tiny.docs)[kept].astype(np.float32))
    assert max(rows.max() for rows in found["relevant"]) < len(kept)


def test_bad_input_is_named(tiny, given, tmp_path):
    with pytest.raises(InputError, match=r"asi\.given"):
        given("semantic")
    model, ids = given()
    few = tmp_path / "few.npy"
    np.save(few, np.load(tiny.docs)[:5])
    with pytest.raises(InputError, match=r"few\.npy.*holds 5 embeddings"):
        tiny_data.flat(train_decoder)(
            tiny.collection, model, ids, few, tmp_path / "m", tmp_path / "s", **SETTINGS
        )
    with pytest.raises(InputError, match=r"few\.npy.*holds 5 embeddings"):
        options = {
            "kind": "random",
            "indexer": "mlp",
            "length": L,
            "vocabulary": V,
            "decoder": "prefix",
        }
        options |= {"layers": 1, "width": WIDTH, "prototypes": 2, "seed": 1}
        fixed_ids(tiny.collection, tiny.encoder, few, tmp_path / "m", tmp_path / "i", **options)
    assert not any((tmp_path / name).exists() for name in ("m", "i"))
