"""Unsupervised SimCSE: its loss, its two views of a sentence, and that it learns without labels."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from encoders import with_modules
from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.retrievers.simcse import contrast, sentences, set_dropout, simcse
from jointir.train import training
from tiny import LENGTHS, D, flat, killed, make

OPTIONS = {"steps": 30, "batch": 16, "lr": 1e-3, "warmup": 3, "seed": 3}
OPTIONS |= {"temperature": 0.05, "dropout": 0.1}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("simcse"))


def test_the_loss_is_the_cross_entropy_of_a_sentences_own_other_view():
    one, other = torch.randn(2, 5, 7, dtype=torch.float64)
    right = 0.0
    for i in range(5):
        cosines = [float(one[i] @ other[j] / one[i].norm() / other[j].norm()) for j in range(5)]
        scores = np.exp(np.array(cosines) / 0.05)
        right -= np.log(scores[i] / scores.sum()) / 5
    assert contrast(one, other, 0.05).item() == pytest.approx(right)


def test_two_views_of_a_sentence_differ_in_dropout_alone(tiny):
    model = DualEncoder.load(tiny.encoder).train()
    tokens = model.tokenize(["w1 w2 w3", "w4 w5 w6 w7 w8"], "document")
    set_dropout(model, 0.3)
    with torch.no_grad():
        views = [model(tokens) for _ in range(2)]
        assert (views[0] - views[1]).abs().max() > 1e-2
        alone = [model.eval()(tokens) for _ in range(2)]
    assert torch.equal(*alone)


def test_what_is_saved_has_the_dropout_that_the_encoder_had(tiny, tmp_path):
    options = OPTIONS | {"steps": 1, "dropout": 0.4}
    flat(simcse)(tiny.collection, tiny.encoder, tmp_path / "m", tmp_path / "s", **options)
    rates = [
        {m.p for m in DualEncoder.load(path).modules() if isinstance(m, torch.nn.Dropout)}
        for path in (tiny.encoder, tmp_path / "m")
    ]
    assert rates == [{0.1}, {0.1}]


def test_an_encoder_without_dropout_is_refused(tiny, tmp_path):
    source = SentenceTransformer(str(with_modules(tmp_path / "bert", modules.Pooling(D))))
    for module in source.modules():
        for name, part in module.named_children():
            if isinstance(part, torch.nn.Dropout):
                setattr(module, name, torch.nn.Identity())
    with pytest.raises(InputError, match=r"simcse: the encoder has no dropout to learn from"):
        set_dropout(DualEncoder(source, LENGTHS), 0.1)


def test_sentences_are_of_documents_and_a_function_of_the_seed(tiny):
    texts = document_texts(read_corpus(tiny.collection))
    found = sentences(tiny.collection, 200, 3)
    assert len(found) == 200 and len(set(found)) > 100
    assert all(any(sentence in " ".join(text.split()) for text in texts) for sentence in found)
    assert found == sentences(tiny.collection, 200, 3) != sentences(tiny.collection, 200, 4)


def weights(folder):
    return load_file(next(folder.rglob("*.safetensors")))


def test_training_lowers_the_loss_and_reads_no_label(tiny, tmp_path, monkeypatch):
    losses = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    bare = tmp_path / "bare"  # documents alone
    bare.mkdir()
    shutil.copy(tiny.collection / "corpus.parquet", bare)
    flat(simcse)(bare, tiny.encoder, tmp_path / "model", tmp_path / "scratch", **OPTIONS)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    moved = [weights(tmp_path / "model"), weights(tiny.encoder)]
    assert any(not np.array_equal(moved[0][name], moved[1][name]) for name in moved[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bare", "model"]


def test_a_training_that_was_cut_ends_as_one_that_was_not(tiny, tmp_path):
    options = OPTIONS | {"steps": 5, "checkpoint_minutes": 0}
    flat(simcse)(tiny.collection, tiny.encoder, tmp_path / "whole", tmp_path / "s", **options)
    with killed(3):
        flat(simcse)(tiny.collection, tiny.encoder, tmp_path / "cut", tmp_path / "s", **options)
    flat(simcse)(tiny.collection, tiny.encoder, tmp_path / "cut", tmp_path / "s", **options)
    left, right = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    assert all(np.array_equal(left[name], right[name]) for name in right)
