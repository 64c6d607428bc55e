"""Sentences of documents without a train query, and what distillation does with them."""

import numpy as np
import pytest
import torch

from jointir.data.store import labelled, read_doc_ids
from jointir.encode.encoder import DualEncoder
from jointir.joint.criterion import Criterion
from jointir.joint.distillation import distillation
from jointir.joint.index import TrainablePQ
from jointir.joint.jpq import JPQ, jpq
from jointir.joint.sentences import Sentences, draw, embedded_sentences, sentence
from jointir.quantize.pq import read_pq
from tiny import embed_train, flat, killed, make

OPTIONS = {"steps": 6, "batch": 8, "negatives": 20, "lr": 1e-3, "centroid_lr": 1e-2}
OPTIONS |= {"warmup": 1, "lambda_cut": 10, "scale": 20.0, "seed": 5, "distillation": 1.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def teacher(tiny):
    return embed_train(tiny)


def test_a_sentence_has_words_enough_and_not_too_many():
    text = "Too short. This one has five words! Another one has six words? No."
    drawn = {sentence(text, np.random.default_rng(seed)) for seed in range(20)}
    assert drawn == {"This one has five words!", "Another one has six words?"}
    assert sentence("Only three words", np.random.default_rng(0)) == "Only three words"
    assert len(sentence("word " * 50, np.random.default_rng(0)).split()) == 24


def test_documents_without_a_train_query_are_drawn(tiny, monkeypatch):
    texts, rows = draw(tiny.collection, 500, 1)
    doc_ids, asked = read_doc_ids(tiny.collection), labelled(tiny.collection)
    assert len(texts) == 500 and not set(doc_ids.iloc[rows]) & asked
    assert len(set(rows)) > 0.5 * (len(doc_ids) - len(asked))
    again, other = draw(tiny.collection, 500, 1), draw(tiny.collection, 500, 2)
    assert again[0] == texts and (again[1] == rows).all() and (other[1] != rows).any()
    monkeypatch.setattr("jointir.joint.sentences.labelled", lambda folder: set(doc_ids))
    assert (
        len(set(draw(tiny.collection, 2000, 1)[1])) > len(doc_ids) / 2
    )  # any, where each is asked


def test_each_step_has_the_next_ones():
    three = Sentences([[1], [2], [3], [4], [5], [6]], np.arange(6), np.eye(6, dtype=np.float32))
    second = three.of(1, 2)
    assert second.tokens == [[3], [4]] and second.rows.tolist() == [2, 3]
    assert second.teacher.tolist() == np.eye(6)[2:4].tolist()
    assert three.of(1, 4).rows.tolist() == [4, 5, 0, 1] and three.of(3, 2).rows.tolist() == [0, 1]


def test_the_loss_is_that_of_the_double_loop(tiny):
    encoder = DualEncoder.load(tiny.encoder)
    model = JPQ(encoder, TrainablePQ(read_pq(tiny.opq, encoder.dim))).eval()
    docs = np.load(tiny.docs).astype(np.float32)
    learned = embedded_sentences(tiny.collection, encoder, 3, 5, 1, False)
    criterion = Criterion(20, 10, 20.0, distillation=1.0)
    (queries,) = model.embed(learned.tokens, bf16=False)
    found = model.distil(queries, learned, criterion, docs).item()
    total = 0.0
    for tokens, row, start in zip(*learned, strict=True):
        q = encoder([tokens]).detach()
        best = model.index.best(q, 20)[0].tolist()
        best = best if row in best else [*best[:-1], int(row)]
        quantized = model.index.scores(q, torch.tensor([best]))
        exact = torch.tensor([[float(start @ docs[r]) for r in best]])
        total += distillation(20 * quantized, 20 * exact).item()
    assert found == pytest.approx(total / 5, rel=1e-4)


def run(tiny, teacher, out, **changed) -> bytes:
    paths = (out / "index.faiss", out / "encoder", out / "scratch")
    own = {"docs": tiny.docs, "teacher": teacher, "ranking": 0.3}
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS | own | changed)
    return (out / "index.faiss").read_bytes() + (out / "encoder" / "model.safetensors").read_bytes()


def test_they_are_learned_with_and_a_killed_training_resumes(tiny, teacher, tmp_path):
    whole = run(tiny, teacher, tmp_path / "whole", sentences=4)
    assert whole != run(tiny, teacher, tmp_path / "without")
    nothing = {"distillation": 0.0, "ranking": 1.0}
    paper = run(tiny, teacher, tmp_path / "paper", **nothing)
    assert paper == run(tiny, teacher, tmp_path / "none", sentences=4, **nothing)
    with killed(after=3):
        run(tiny, teacher, tmp_path / "killed", sentences=4)
    assert run(tiny, teacher, tmp_path / "killed", sentences=4) == whole
