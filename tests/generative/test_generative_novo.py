"""NOVO: n-grams, the query model that chooses them, the decoder of sets, and the stage."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.data.store import document_texts, read_corpus
from jointir.generative import novo as stage
from jointir.generative import sets as decoder
from jointir.generative.asi import _check_learned
from jointir.generative.chosen import MOST, best_ngrams, numbers_of, words_of
from jointir.generative.ids import read_ids
from jointir.generative.model import GenerativeRetriever
from jointir.generative.novo import QueryModel, novo
from jointir.generative.sets import SetDecoder
from jointir.generative.train_decoder import train_decoder

D = 6
LEARN = {"steps": 8, "batch": 10, "lr": 1e-2, "warmup": 1, "seed": 1, "scale": 20.0}
LEARN |= {"noise": 0.1, "ngrams": 4, "words": 2, "holdout": 0.0}
SHAPE = {"indexer": "none", "length": 1, "vocabulary": 0, "decoder": "sets"}
SHAPE |= {"layers": 1, "width": 16, "prototypes": 2}


def test_names_are_taken_apart():
    assert words_of("numpy.random_seed(x=0) The Größe!") == [
        "numpy",
        "random",
        "seed",
        "x",
        "0",
        "the",
        "größe",
    ]
    assert words_of(" ".join(["w"] * 100)) == ["w"] * MOST


def test_the_best_spans_are_taken_first():
    words = ["a", "b", "c", "d", "a", "b", "e"]
    values = np.array([3.0, 2, -1, 4, 1, 1, 0])
    right = ["d a b", "a b", "e"]  # 6, then 5 of the first two places, then 0
    assert best_ngrams(words, values, 3, 3) == right
    assert best_ngrams(words, values, 3, 4) == [*right, "c"]
    assert best_ngrams(words, values, 1, 9) == ["d", "a", "b", "e", "c", "d", "a", "b", "e"]
    assert best_ngrams([], values[:0], 3, 2) == ["", ""]


def test_ngrams_are_numbered_alike():
    found, known = numbers_of([["b", "c a"], ["c a", "a"]])
    assert known == ["a", "b", "c a"] and found.tolist() == [[1, 2], [0, 2]]


def query_model():
    words = [["x", "y", "x"], ["y", "z"], ["z"], ["y", "unseen"]]
    docs = torch.nn.functional.normalize(torch.randn(4, D, generator=generator()), dim=1)
    return QueryModel(words[:3], docs[:3], 5.0, 1.0), words, docs


def generator():
    return torch.Generator().manual_seed(0)


def test_the_query_model_begins_as_the_words_of_near_documents():
    model, words, docs = query_model()
    e, right = docs[3], []
    for word in ("x", "y", "z"):
        own = [doc for text, doc in zip(words[:3], docs, strict=False) if word in text]
        right.append(5 * (sum(own) / len(own)) @ e + math.log(len(own)))
    found = model.log_p(e[None])[0]
    torch.testing.assert_close(found, torch.stack(right).log_softmax(0))
    targets = model.targets([["y", "y", "x", "no"], ["no"]])
    assert targets.tolist() == [[0.5, 0.5, 0], [0, 0, 0]]


def test_a_word_says_what_it_adds_to_the_divergence(monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 3)
    model, words, docs = query_model()
    p = model.log_p(docs).exp().detach()
    mean, number = p.mean(0), {"x": 0, "y": 1, "z": 2}
    for row, values in enumerate(model.values(words, docs)):
        for word, value in zip(words[row], values, strict=True):
            i = number.get(word)
            right = 0.0 if i is None else p[row, i] * math.log(p[row, i] / mean[i])
            assert value == pytest.approx(float(right), abs=1e-6)


def set_decoder():
    model = SetDecoder(D, 1, 3, unit=2.0)
    model.know(torch.tensor([[0, 1], [1, 2], [3, 3]]))
    return model


def test_a_set_scores_what_its_ngrams_do(monkeypatch):
    model = set_decoder()
    with torch.no_grad():
        model.vectors.copy_(torch.randn(4, D, generator=generator()))
        model.bias.copy_(torch.tensor([0.0, 1, -1, 2]))
    e = torch.randn(5, D, generator=generator())
    for generated, model.training in ((100, False), (2, False), (2, True)):
        monkeypatch.setattr(decoder, "GENERATED", generated)
        found = model(e, torch.zeros(5, 1, dtype=torch.long))
        for b in range(5):
            logits = model.vectors @ e[b] * (D / 2) ** 0.5 + model.bias
            log_p = logits.log_softmax(0)
            if generated == 2 and not model.training:
                log_p = log_p.clamp(min=log_p.sort().values[-2])
            right = torch.stack([log_p[own].sum() for own in model.sets]).log_softmax(0)
            torch.testing.assert_close(found[b, 0], right)


def test_it_begins_with_the_means_of_the_ngrams_documents():
    model, docs = set_decoder(), torch.randn(4, D, generator=generator())
    ids = torch.tensor([[0], [1], [2], [0]])
    model.begin(ids, docs, 5.0)
    own = [[0, 3], [0, 1, 3], [1], [2]]  # the documents of each n-gram
    for ngram, rows in enumerate(own):
        right = 5.0 / math.sqrt(D * 2) / 2 * docs[rows].mean(0)
        torch.testing.assert_close(model.vectors[ngram], right)


def test_a_set_is_one_token():
    with pytest.raises(InputError, match=r"asi\.decoder: sets writes one set, and an identifier"):
        SetDecoder(D, 2, 3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def run(tiny, out, **changed):
    paths = {"out": out / "model", "out_ids": out / "ids.parquet", "scratch": out / "scratch"}
    given = SHAPE | LEARN | {"checkpoint_minutes": 0} | changed
    tiny_data.flat(novo)(tiny.collection, tiny.encoder, tiny.docs, **paths, **given)
    return sha256(out / "model"), sha256(out / "ids.parquet")


def test_killed_and_resumed_is_uninterrupted_and_its_decoder_learns(tiny, tmp_path):
    whole = run(tiny, tmp_path / "a")
    with tiny_data.killed(5):
        run(tiny, tmp_path / "b")
    assert not (tmp_path / "b/ids.parquet").exists()
    assert run(tiny, tmp_path / "b") == whole
    ids = read_ids(tmp_path / "a/ids.parquet")[1]
    model = GenerativeRetriever.load(tmp_path / "a/model")
    assert ids.shape == (tiny_data.N, 1) and ids.max() + 1 == len(model.decoder.sets)
    texts = [words_of(text) for text in document_texts(read_corpus(tiny.collection))]
    most = {" ".join(t[i : i + n]) for t in texts for n in (1, 2) for i in range(len(t) - n + 1)}
    assert len(model.decoder.bias) <= len(most) and model.decoder.sets.shape[1] == 4
    settings = {"steps": 4, "batch": 20, "lr": 1e-2, "warmup": 1, "nearby": 0.5, "scale": 20.0}
    settings |= {"queries": 10, "sentences": 4, "moved": 1.0, "vectors": "embeddings", "seed": 1}
    settings |= dict.fromkeys(("general", "search", "dropout", "consistency", "holdout"), 0.0)
    settings |= {"checkpoint_minutes": 0}
    inputs = (tiny.collection, tmp_path / "a/model", tmp_path / "a/ids.parquet", tiny.docs)
    paths = {"out": tmp_path / "c", "scratch": tmp_path / "s"}
    tiny_data.flat(train_decoder)(*inputs, **paths, **settings)
    learned = GenerativeRetriever.load(tmp_path / "c").decoder
    assert torch.equal(learned.sets, model.decoder.sets) and learned.vectors.abs().sum() > 0


def test_asi_has_no_sets():
    with pytest.raises(InputError, match=r"asi\.decoder: sets decodes n-grams, and none are"):
        _check_learned(SimpleNamespace(decoder="sets", indexer="mlp"))


def test_identifiers_that_are_no_sets_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match=r"asi\.decoder: sets writes one set"):
        run(tiny, tmp_path, length=2)
    assert not (tmp_path / "model").exists() and not (tmp_path / "ids.parquet").exists()
