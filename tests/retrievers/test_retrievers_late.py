"""Late interaction against loops, and the dual encoder that is distilled from it."""

import json
import math

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.encode import encoder as encoder_module
from jointir.encode.encoder import DualEncoder
from jointir.encode.packed import can_pack
from jointir.retrievers.colbert import colbert
from jointir.retrievers.late import LateInteraction
from jointir.retrievers.late_search import search
from jointir.retrievers.tct import distillation_loss, tct
from jointir.train import training
from tiny import D, flat, make, on_processor, rank

DIM = 16
SHARED = {"steps": 30, "batch": 8, "lr": 1e-3, "warmup": 3, "depth": 20, "seed": 3}
COLBERT = SHARED | {"dim": DIM, "head_lr": 1e-2, "random_weight": 0.1}
TCT = SHARED | {"scale": 20.0, "gamma": 0.1, "temperature": 0.25}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("late"))


@pytest.fixture(scope="module")
def teacher(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("colbert")
    flat(colbert)(tiny.collection, tiny.encoder, folder / "model", folder / "s", **COLBERT)
    return folder / "model"


def bags(model: LateInteraction, texts: list[str], kind: str) -> list[np.ndarray]:
    """Return float[T, dim] of each text, one text at a time."""
    found = []
    for tokens in model.tokenize(texts, kind):
        with torch.no_grad():
            embedded, counts = model([tokens], kind)
        found.append(embedded[0][counts[0]].numpy())
    return found


def loop(query: np.ndarray, doc: np.ndarray) -> float:
    return sum(max(float(t @ other) for other in doc) for t in query)


@pytest.mark.parametrize("packs", [True, False])
def test_scores_equal_the_loop_whatever_is_packed_or_padded(tiny, packs, monkeypatch):
    model = LateInteraction.start(DualEncoder.load(tiny.encoder), DIM, 1).eval()
    assert can_pack(model.model)
    monkeypatch.setattr(encoder_module, "can_pack", lambda model: packs)
    queries, docs = ["w1 w2", "w3"], ["w1 w9 w9 w4", "w5", "w3 w2 w8 w7 w1 w6"]
    with torch.no_grad():
        asked, given = model.tokenize(queries, "query"), model.tokenize(docs, "document")
        found = model.scores(asked, given)
    expected = [
        [loop(q, d) for d in bags(model, docs, "document")] for q in bags(model, queries, "query")
    ]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    for bag in bags(model, docs, "document"):
        np.testing.assert_allclose(np.linalg.norm(bag, axis=1), 1, atol=1e-5)


def test_the_projection_starts_orthonormal(tiny):
    model = LateInteraction.start(DualEncoder.load(tiny.encoder), DIM, 1)
    gram = (model.projection @ model.projection.T).detach()
    torch.testing.assert_close(gram, torch.eye(DIM), atol=1e-5, rtol=0)
    again, other = (
        LateInteraction.start(DualEncoder.load(tiny.encoder), DIM, seed) for seed in (1, 2)
    )
    assert torch.equal(model.projection, again.projection)
    assert not torch.equal(model.projection, other.projection)


def test_a_documents_punctuation_is_no_token(tiny, tmp_path):
    encoder = DualEncoder.load(tiny.encoder)
    encoder.model.tokenizer.add_tokens(["!"])
    encoder.model[0].auto_model.resize_token_embeddings(len(encoder.model.tokenizer))
    model = LateInteraction.start(encoder, DIM, 1).eval()
    (with_it,), (without,) = (model.tokenize([t], "document") for t in ("w1 ! w2", "w1 w2"))
    assert len(with_it) == len(without) + 1
    assert len(bags(model, ["w1 ! w2"], "document")[0]) == len(without)
    assert len(bags(model, ["w1 ! w2"], "query")[0]) == len(with_it)


def test_plain_sentence_transformers_embeds_and_scores_alike(tiny, teacher):
    plain = MultiVectorEncoder(str(teacher), device="cpu")
    ours = LateInteraction.load(teacher).eval()
    docs = document_texts(read_corpus(tiny.collection))[:10]
    for a, b in zip(plain.encode_document(docs), bags(ours, docs, "document"), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, atol=1e-5)


@on_processor("")
def test_search_ranks_as_scoring_all_pairs_does(tiny, teacher):
    model = LateInteraction.load(teacher).eval()
    docs = document_texts(read_corpus(tiny.collection))
    queries = read_queries(tiny.collection, "test")["text"].tolist()
    values, rows, tokens = search(model, queries, docs, 7, 128)
    own, others = bags(model, queries, "query"), bags(model, docs, "document")
    assert tokens == sum(map(len, others))
    assert values.shape == rows.shape == (len(queries), 7)
    for q, value, row in zip(own, values, rows, strict=True):
        expected = np.array([loop(q, d) for d in others])
        np.testing.assert_allclose(value, np.sort(expected)[::-1][:7], atol=1e-4)
        np.testing.assert_allclose(expected[row], value, atol=1e-4)


def test_a_run_for_each_split_and_the_bytes_of_every_token(tiny, teacher, tmp_path):
    out = [tmp_path / f"{split}.trec.gz" for split in ("dev", "test")]
    rank("colbert", tiny.collection, out, tmp_path / "meta.json", model=teacher, k=5)
    for path, split in zip(out, ("dev", "test"), strict=True):
        run = read_run(path)
        assert set(run) == set(read_queries(tiny.collection, split)["query_id"])
        assert {len(found) for found in run.values()} == {5}
    meta = json.loads((tmp_path / "meta.json").read_text())
    model = LateInteraction.load(teacher).eval()
    docs = document_texts(read_corpus(tiny.collection))
    tokens = sum(len(d) for d in bags(model, docs, "document"))
    assert meta["bytes"] == {"codes": 2 * DIM * tokens, "ids": 8 * len(docs)}
    assert meta["bytes_per_doc"] == (2 * DIM * tokens + 8 * len(docs)) // len(docs)


def test_training_lowers_the_loss_and_moves_both_parts(tiny, tmp_path, monkeypatch):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    # all queries in a batch, and large steps: this encoder has random weights, so it learns slowly
    options = COLBERT | {"steps": 60, "batch": 40, "lr": 3e-3, "head_lr": 3e-2}
    flat(colbert)(tiny.collection, tiny.encoder, tmp_path / "m", tmp_path / "s", **options)
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    start = LateInteraction.start(DualEncoder.load(tiny.encoder), DIM, COLBERT["seed"])
    trained = dict(LateInteraction.load(tmp_path / "m").named_parameters())
    assert not torch.equal(start.projection, trained["model.1.linear.weight"])
    moved = [name for name, p in start.named_parameters() if not torch.equal(p, trained[name])]
    assert len(moved) > 10


def slow_loss(student, teacher, relevant, gamma, temperature):
    """Return the loss of the module's docstring, pair by pair."""
    total = 0.0
    for b in range(len(student)):
        kept = [c for c in range(student.shape[1]) if c == b or not relevant[b, c]]
        p = np.exp([student[b, c] for c in kept])
        t = np.exp([teacher[b, c] / temperature for c in kept])
        p, t = p / p.sum(), t / t.sum()
        kl = sum(t[i] * math.log(t[i] / p[i]) for i in range(len(kept)))
        total += gamma * -math.log(p[kept.index(b)]) + (1 - gamma) * kl
    return total / len(student)


def test_the_distillation_loss_equals_the_loop():
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, 4, 8))
    relevant = rng.random((4, 8)) < 0.3
    relevant[np.arange(4), np.arange(4)] = True
    mask = torch.from_numpy(relevant)
    found = distillation_loss(torch.from_numpy(student), torch.from_numpy(teacher), mask, 0.3, 0.5)
    assert found.item() == pytest.approx(slow_loss(student, teacher, relevant, 0.3, 0.5), abs=1e-6)
    assert np.array_equal(mask.numpy(), relevant)


def test_the_student_comes_nearer_to_its_teacher(tiny, teacher, tmp_path, monkeypatch):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    paths = (tiny.collection, tiny.encoder, tmp_path / "m", tmp_path / "s")
    flat(tct)(*paths, teacher=teacher, **TCT | {"gamma": 0.0})
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert DualEncoder.load(tmp_path / "m").dim == D


def test_a_folder_of_something_else_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="holds no late-interaction model"):
        flat(tct)(
            tiny.collection,
            tiny.encoder,
            tmp_path / "m",
            tmp_path / "s",
            teacher=tiny.encoder,
            **TCT,
        )
