"""Hybrid answers: the documents of the identifiers that the beam found, by inner product."""

import json

import numpy as np
import pandas as pd
import pytest

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.data.trec import read_run
from jointir.generative import hybrid
from jointir.generative.asi import asi
from jointir.generative.assign import assign_ids
from jointir.generative.generate import generate
from jointir.generative.hybrid import DEPTH, Rescorer, rescore
from jointir.generative.ids import read_ids, write_ids
from jointir.generative.model import GenerativeRetriever
from test_generative_training import SETTINGS

N, D, L, V = 40, 8, 3, 4
SPLITS = ("dev", "test")


@pytest.fixture
def scene():
    """Documents of which about three share an identifier, and the answers of a beam of 6."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, V, (15, L))[rng.integers(0, 15, N)]
    docs = rng.normal(size=(N, D)).astype(np.float16)
    existing = np.unique(ids, axis=0)
    found = np.stack([rng.permutation(existing)[:6] for _ in range(5)])
    scores = -np.sort(rng.random((5, 6)).astype(np.float32), axis=1)
    return ids, docs, rng.normal(size=(5, D)).astype(np.float32), found, scores


def by_hand(ids, docs, e, found, own=-1):
    """Return the rows whose identifier was found, and their scores, one document at a time."""
    wanted = {tuple(i) for i in found.tolist()}
    rows = [n for n in range(len(ids)) if tuple(ids[n].tolist()) in wanted and n != own]
    scores = {n: float(np.dot(docs[n].astype(np.float64), e.astype(np.float64))) for n in rows}
    ranked = sorted(rows, key=lambda n: (-scores[n], n))[:DEPTH]
    return ranked, [scores[n] for n in ranked]


def test_documents_of_the_found_identifiers_are_ranked_by_inner_product(scene):
    ids, docs, e, found, scores = scene
    scores[1, 4:] = -np.inf  # two that no identifier is left for
    none = np.full(5, -1)
    rows, products = rescore(Rescorer(ids, docs, V), e, found, scores, none)
    assert rows.shape == products.shape == (5, DEPTH)
    for q in range(5):
        kept = found[q][np.isfinite(scores[q])]
        expected, values = by_hand(ids, docs, e[q], kept)
        n = len(expected)
        assert n > len(kept)  # documents that share an identifier are all there
        assert rows[q, :n].tolist() == expected and (rows[q, n:] == -1).all()
        np.testing.assert_allclose(products[q, :n], values, rtol=1e-5, atol=1e-6)
        assert np.isneginf(products[q, n:]).all()


def test_a_querys_own_document_is_left_out_and_those_that_share_its_identifier_are_not(scene):
    ids, docs, e, found, scores = scene
    rescorer = Rescorer(ids, docs, V)
    own = np.array([rescorer.rows(some)[0] for some in found])
    rows, _ = rescore(rescorer, e, found, scores, own)
    for q in range(5):
        expected, _ = by_hand(ids, docs, e[q], found[q], own[q])
        assert rows[q, : len(expected)].tolist() == expected
        assert len(expected) == len(by_hand(ids, docs, e[q], found[q])[0]) - 1


def test_equal_documents_are_in_their_order_and_the_chunk_does_not_matter(scene, monkeypatch):
    ids, docs, e, _, _ = scene
    docs[:] = docs[np.arange(N) % 7]
    everything = np.unique(ids, axis=0)
    found = {}
    for size in (1000, 3):
        monkeypatch.setattr(hybrid, "CHUNK", size)
        found[size] = Rescorer(ids, docs, V).best(e[0], everything, -1)
    rows, scores = found[1000]
    assert sorted(rows.tolist()) == list(range(N))
    same = np.diff(rows % 7) == 0
    assert same.sum() == N - 7 and (np.diff(rows)[same] > 0).all() and (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(found[3][0], rows)


def test_at_most_a_hundred_documents_and_none_of_an_unknown_identifier(monkeypatch):
    docs = np.random.default_rng(0).normal(size=(300, D)).astype(np.float16)
    rescorer = Rescorer(np.zeros((300, L), np.int64), docs, V)
    rows, scores = rescorer.best(np.ones(D, np.float32), np.zeros((1, L), np.int64), -1)
    assert len(rows) == len(scores) == DEPTH
    assert sorted(rows) == sorted(np.argsort(-docs.astype(np.float64).sum(1))[:DEPTH])
    rows, scores = rescorer.best(np.ones(D, np.float32), np.ones((1, L), np.int64), -1)
    assert len(rows) == len(scores) == 0


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A tiny collection, a model, its embeddings, and identifiers of which some are shared."""
    folder = tmp_path_factory.mktemp("hybrid")
    tiny = tiny_data.make(folder)
    paths = {"out": folder / "model", "scratch": folder / "scratch"}
    inputs = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
    tiny_data.flat(asi)(**inputs, **paths, **SETTINGS)
    ids, docs = folder / "ids.parquet", folder / "e.npy"
    with tiny_data.on_processor(""):
        assign_ids(tiny.collection, paths["out"], ids, docs)
    doc_ids, _ = read_ids(ids)
    codes = np.random.default_rng(1).integers(0, 16, (tiny_data.N, L))
    codes = codes[np.arange(tiny_data.N) - (np.arange(tiny_data.N) % 4 == 1)]
    write_ids(ids, pd.Series(doc_ids), codes)
    return tiny.collection, paths["out"], ids, docs


def generated(field, out, **changed):
    """Run `generate` into `out`; return the runs by split and the facts of meta.json."""
    collection, model, ids, docs = field
    out.mkdir()
    runs = [out / f"{split}.trec.gz" for split in SPLITS]
    about = {"dataset": "tiny", "system": "random-ids", "seed": 1}
    paths = {"out": out / "answers.parquet", "runs": runs, "meta": out / "meta.json"}
    inputs = {"collection": collection, "model": model, "ids": ids, "docs": docs}
    generate(**(inputs | paths | about | changed))
    found = dict(zip(SPLITS, map(read_run, runs), strict=True))
    return found, json.loads(paths["meta"].read_text())


def brute_force(field, split):
    """Return each query's documents by inner product of the model's own embeddings."""
    from jointir.data.store import read_queries

    collection, model, ids, docs = field
    topics = read_queries(collection, split)
    encoder = GenerativeRetriever.load(model).encoder
    e = encoder(encoder.tokenize(topics["text"].tolist(), "query")).detach().numpy()
    scores = e.astype(np.float64) @ np.load(docs).astype(np.float64).T
    doc_ids = np.array(read_ids(ids)[0])
    return {q: (doc_ids, row) for q, row in zip(topics["query_id"], scores, strict=True)}


@tiny_data.on_processor("")
def test_a_beam_of_all_identifiers_is_brute_force(field, tmp_path):
    runs, _ = generated(field, tmp_path / "all", hybrid_beam=tiny_data.N)
    for split in SPLITS:
        for query, (doc_ids, scores) in brute_force(field, split).items():
            order = np.argsort(-scores, kind="stable")[:DEPTH]
            found, values = list(runs[split][query]), list(runs[split][query].values())
            np.testing.assert_allclose(values, scores[order], atol=1e-5)
            # of documents that score nearly the same, another may come first
            place = dict(zip(doc_ids, scores, strict=True))
            np.testing.assert_allclose([place[d] for d in found], scores[order], atol=1e-5)
            assert len(set(found)) == DEPTH


def test_answers_are_the_documents_of_the_beams_identifiers(field, tmp_path):
    runs, facts = generated(field, tmp_path / "some", beam=10, hybrid_beam=10)
    doc_ids, codes = read_ids(field[2])
    answers = pd.read_parquet(tmp_path / "some" / "answers.parquet")
    assert set(answers["decoding"]) == {"free", "constrained"}
    answers = answers[answers["decoding"].eq("constrained")]
    shared = 0
    for (split, query), rows in answers.groupby(["split", "query_id"]):
        wanted = {tuple(row) for row in rows[["id_1", "id_2", "id_3"]].to_numpy().tolist()}
        expected = {d for d, c in zip(doc_ids, codes.tolist(), strict=True) if tuple(c) in wanted}
        assert set(runs[split][query]) == expected and len(wanted) == 10
        shared += len(expected) > 10
    assert shared > 5
    assert facts["beam"] == {"free": 10, "constrained": 10, "hybrid": 10}


def test_bytes_and_milliseconds_are_told_of_each_decoding(field, tmp_path):
    _, facts = generated(field, tmp_path / "facts")
    assert facts["beam"] == {"free": 10, "constrained": 10, "hybrid": 50}
    model = GenerativeRetriever.load(field[1])
    weights = dict(model.named_parameters(remove_duplicate=False))
    others = [t for name, t in model.state_dict().items() if name not in weights]
    size = 4 * facts["parameters"] + sum(t.numel() * t.element_size() for t in others)
    parts = {"model": size, "identifiers": tiny_data.N * L}
    embeddings = {"free": 0, "constrained": 0, "hybrid": tiny_data.N * tiny_data.D * 2}
    assert facts["bytes"] == {d: parts | {"embeddings": n} for d, n in embeddings.items()}
    assert set(facts["ms_per_query"]) == set(embeddings) and min(facts["ms_per_query"].values()) > 0


def test_embeddings_of_others_are_refused(field, tmp_path):
    few = tmp_path / "few.npy"
    np.save(few, np.load(field[3])[:5])
    with pytest.raises(InputError, match=r"few\.npy: holds 5 embeddings, the collection 320"):
        generated(field, tmp_path / "few", docs=few)
    np.save(few, np.load(field[3])[:, :8])
    with pytest.raises(InputError, match=r"few\.npy: has 8 dimensions, the encoder 32"):
        generated(field, tmp_path / "narrow", docs=few)
    assert not list(tmp_path.glob("*/*"))
