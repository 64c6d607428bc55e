"""SEAL: what its decoder learns, what its beam finds, and the runs of its search."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.basics.readers import read_npy
from jointir.data.store import document_texts, read_corpus, read_doc_ids, read_queries
from jointir.data.trec import read_run
from jointir.encode.encoder import DualEncoder
from jointir.expand.generator import Generator
from jointir.expand.sources import Sources
from jointir.generative.intersective import best_documents, importance
from jointir.generative.ngram_beam import write_ngrams
from jointir.generative.ngrams import NGrams
from jointir.generative.seal import bare_documents, log_p, overlaps, seal
from jointir.methods.arguments import UNMEASURED, DevOptions
from jointir.train.curve import read_curve

L = 3
TRAINING = {"steps": 4, "batch": 16, "sentences": 6, "lr": 5e-3, "warmup": 1, "seed": 1}
TRAINING |= {"layers": 1, "length": L, "temperature": 1.0, "checkpoint_minutes": 5}
SEARCH = {"beam": 4, "unigrams": 9, "alpha": 2.0, "beta": 0.8, "rescored": 10}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def trained(tiny, out: Path, dev: DevOptions = UNMEASURED, **changes) -> Path:
    given = {"collection": tiny.collection, "encoder": tiny.encoder, "out": out / "model"}
    given |= {"scratch": out / "scratch", "dev": dev}
    tiny_data.flat(seal)(**given | TRAINING | changes)
    return out / "model"


@pytest.fixture(scope="module")
def model(tiny, tmp_path_factory) -> Path:
    return trained(tiny, tmp_path_factory.mktemp("model"), steps=40)


@pytest.fixture(scope="module")
def documents(tiny) -> list[np.ndarray]:
    encoder = DualEncoder.load(tiny.encoder)
    return bare_documents(encoder, document_texts(read_corpus(tiny.collection)))


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_windows_share_distinct_tokens_with_the_query(n: int) -> None:
    rng = np.random.default_rng(n)
    document, query = rng.integers(0, 6, n), np.array([1, 1, 3, 9])
    found = overlaps(document, query, 3)
    windows = [document[at : at + 3] for at in range(max(1, n - 2))]
    assert found.tolist() == [len({1, 3, 9} & set(window.tolist())) for window in windows]


def test_documents_come_whole_and_without_special_tokens(tiny) -> None:
    encoder = DualEncoder.load(tiny.encoder)
    texts = [" ".join(f"w{i}" for i in range(50)), "", "w3 [SEP] w4 unknown"]
    found = bare_documents(encoder, texts)
    known = encoder.model.tokenizer.convert_ids_to_tokens
    assert [known(own.tolist()) for own in found] == [texts[0].split(), [], ["w3", "w4"]]


def test_it_learns_ngrams_of_documents_that_are_relevant(tiny, model, documents, tmp_path) -> None:
    """And writes all tokens that documents have."""
    start = Generator.load(trained(tiny, tmp_path, steps=1, lr=1e-9))
    after = Generator.load(model)
    words = set(np.concatenate(documents).tolist())
    assert set(after.vocabulary.tolist()) == {after.eos, -1, *words}
    queries = read_queries(tiny.collection, "train")
    row = {doc_id: at for at, doc_id in enumerate(read_doc_ids(tiny.collection))}
    texts = queries["text"].tolist()
    rows = [row[f"d{query_id[1:]}"] for query_id in queries["query_id"]]
    ngrams = [documents[r][:L].tolist() for r in rows]
    values = []
    for net in (start, after):
        source = Sources(net.encoder, texts, kind="query")(np.arange(len(texts)))
        with torch.inference_mode():
            values.append(log_p(net, source, ngrams).mean().item())
    assert values[1] > values[0] + 0.3


def test_the_probability_of_an_ngram_has_no_end(tiny, model) -> None:
    net = Generator.load(model)
    source = Sources(net.encoder, ["w1 w2", "w3"], kind="query")(np.arange(2))
    ngrams = [[10, 11, 12], [13]]
    with torch.inference_mode():
        found = log_p(net, source, ngrams)
        whole, _ = net.log_p(source, ngrams)
    assert found.tolist() == [*whole[0, :3].tolist(), whole[1, 0].item()]


def test_a_killed_training_goes_on_as_if_it_had_not_been(tiny, tmp_path) -> None:
    dev = DevOptions(validate_every=2)
    whole = trained(tiny, tmp_path / "whole", dev)
    with tiny_data.killed(3):
        trained(tiny, tmp_path / "killed", dev)
    resumed = trained(tiny, tmp_path / "killed", dev)
    assert sha256(whole) == sha256(resumed)
    assert not (tmp_path / "killed" / "scratch").exists()


def test_the_weights_that_dev_likes_best_are_kept(tiny, tmp_path) -> None:
    """At a rate that destroys it, the start stays."""
    curve = tmp_path / "curve.csv"
    dev = DevOptions(validate_every=2, out_curve=curve)
    kept = Generator.load(trained(tiny, tmp_path / "kept", dev, lr=1.0, warmup=0))
    start = Generator.load(trained(tiny, tmp_path / "start", steps=1, lr=1e-12))
    rows = read_curve(curve)
    assert rows["step"].tolist() == [0, 2, 4] and rows["kept"].tolist() == [1, 0, 0]
    torch.testing.assert_close(kept.output.weight, start.output.weight, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"length": 8}, "--length: 8, of an encoder that reads 8"),
        ({"sentences": 16}, "--sentences: 16 of a batch of 16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tiny, tmp_path, changes, told) -> None:
    with pytest.raises(InputError, match=told):
        trained(tiny, tmp_path, **changes)
    assert not (tmp_path / "model").exists()


def index_of(net: Generator, documents: list[np.ndarray]) -> NGrams:
    place = net.places.place.numpy()
    return NGrams([place[tokens] for tokens in documents], L)


def looped(net: Generator, text: str, documents: list[np.ndarray], beam: int, more: int) -> dict:
    """Return log P of each n-gram, by tokens, that a beam search keeps: all P anew at each step."""

    def of(ngram: tuple) -> float:
        source = Sources(net.encoder, [text], kind="query")(np.array([0]))
        with torch.inference_mode():
            return log_p(net, source, [list(ngram)]).sum().item()

    kept, beams = {}, [()]
    for length in range(1, L + 1):
        there = {
            tuple(own[at : at + length].tolist())
            for own in documents
            for at in range(len(own) - length + 1)
        }
        values = {ngram: of(ngram) for ngram in there if ngram[:-1] in beams}
        order = sorted(values, key=lambda ngram: -values[ngram])
        beams = order[:beam]
        kept |= {ngram: values[ngram] for ngram in order[: max(beam, more * (length == 1))]}
    return kept


@pytest.mark.parametrize(("beam", "unigrams"), [(4, 9), (3, 0)])
def test_the_beam_finds_what_a_loop_over_all_ngrams_does(
    tiny, model, documents, beam: int, unigrams: int
) -> None:
    net = Generator.load(model)
    index, known = index_of(net, documents), net.vocabulary.numpy()
    texts = ["w1 w2 w3", read_queries(tiny.collection, "test")["text"].iloc[0], "w7"]
    source = Sources(net.encoder, texts, kind="query")(np.arange(3))
    for text, own in zip(texts, write_ngrams(net, source, index, beam, unigrams), strict=True):
        found = {
            tuple(known[index.tokens(own.found, row)].tolist()): value
            for row, value in enumerate(own.log_p)
        }
        assert len(found) == len(own.log_p)
        assert found == pytest.approx(looped(net, text, documents, beam, unigrams), abs=1e-4)


@pytest.fixture(scope="module")
@tiny_data.on_processor("")
def searched(tiny, model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("searched")
    (out / "h").mkdir()
    names = ["dev.trec.gz", "test.trec.gz"]
    paths = {"out": [out / n for n in names], "out_hybrid": [out / "h" / n for n in names]}
    told = {"model": model, "docs": tiny.docs, "length": L, **SEARCH, "seed": 7, "k": 20}
    paths |= {"meta": out / "meta.json", "meta_hybrid": out / "h/meta.json"}
    tiny_data.rank("seal", tiny.collection, **paths, **told)
    return out


def test_the_run_has_the_documents_in_order(tiny, model, documents, searched) -> None:
    net = Generator.load(model)
    index, names = index_of(net, documents), read_doc_ids(tiny.collection).to_numpy()
    topics = read_queries(tiny.collection, "test")
    run = read_run(searched / "test.trec.gz")
    for query_id, text in topics[["query_id", "text"]].to_numpy():
        source = Sources(net.encoder, [text], kind="query")(np.array([0]))
        ((found, log_p_of),) = write_ngrams(net, source, index, 4, 9)
        w = importance(log_p_of, found.count, index.T)
        rows, scores = best_documents(index, found, w, 2.0, 0.8, 20)
        own = run[query_id]
        assert own == pytest.approx(dict(zip(names[rows], scores, strict=True)), rel=1e-4)


def test_the_hybrid_has_the_first_documents_by_inner_product(tiny, model, searched) -> None:
    encoder, docs = DualEncoder.load(tiny.encoder).eval(), read_npy(tiny.docs)
    place = {doc_id: row for row, doc_id in enumerate(read_doc_ids(tiny.collection))}
    run, other = (read_run(searched / name) for name in ("test.trec.gz", "h/test.trec.gz"))
    topics = read_queries(tiny.collection, "test")
    for query_id, text in topics[["query_id", "text"]].to_numpy():
        first = sorted(run[query_id], key=lambda doc: -run[query_id][doc])[: SEARCH["rescored"]]
        with torch.inference_mode():
            e = encoder(encoder.tokenize([text], "query"))[0].numpy()
        wanted = {doc: float(e @ docs[place[doc]]) for doc in first}
        assert other[query_id] == pytest.approx(wanted, abs=1e-5)


def test_what_is_told_of_both_runs(tiny, searched, documents) -> None:
    own, hybrid = (json.loads((searched / n).read_text()) for n in ("meta.json", "h/meta.json"))
    T = sum(map(len, documents)) + len(documents)
    codes = 12 * T + 4 * L
    assert own["bytes"] == {"codes": codes, "embeddings": 0}
    assert hybrid["bytes"] == {"codes": codes, "embeddings": 4 * tiny_data.N * tiny_data.D}
    assert (own["setting"], hybrid["setting"]) == ("suffix array", "hybrid")
    for facts in (own, hybrid):
        assert facts["bytes_per_doc"] == sum(facts["bytes"].values()) // tiny_data.N
        told = (facts["dataset"], facts["system"], facts["seed"], facts["n_docs"])
        assert told == ("tiny", "seal", 7, tiny_data.N)
        assert facts["numbers"]["beam"] == 4
        assert 0 < facts["numbers"]["ms a query"] < math.inf
    assert hybrid["numbers"]["ms a query"] > own["numbers"]["ms a query"]


def test_a_folder_without_a_generator_is_refused(tiny, tmp_path) -> None:
    paths = {"out": [], "out_hybrid": [], "meta": tmp_path / "m", "meta_hybrid": tmp_path / "h"}
    told = {"model": tiny.encoder, "docs": tiny.docs, "length": L, **SEARCH}
    with pytest.raises(InputError, match=r"holds no generator\.json"):
        tiny_data.rank("seal", tiny.collection, **paths | {"out_hybrid": [tmp_path / "h"]}, **told)
