"""What every ranker shares: its stage, against a ranker that counts shared words."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.methods import known
from jointir.methods.facts import Form
from jointir.search import ranker as module
from jointir.search.ranker import Ranker, ranker_class


class Shared(Ranker):
    """Ranks documents by the words that they share with the query."""

    setting, dim = "shared words", 3

    def __init__(self, files, settings, options):
        """Read the documents."""
        corpus = read_corpus(files.collection)
        self.doc_ids = corpus["doc_id"].to_numpy(object)
        self.words = [set(text.split()) for text in document_texts(corpus)]
        self.asked = []

    def search(self, queries, k):
        """Return the documents that share most words."""
        self.asked.append(len(queries))
        counts = np.array([[len(own & set(q.split())) for own in self.words] for q in queries])
        rows = np.argsort(-counts, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(counts, rows, 1)
        return np.where(found > 0, self.doc_ids[rows], ""), found

    def size(self):
        """Return how many searches there were, as bytes."""
        return {"codes": 1000 * len(self.asked), "other": 7}

    def rescored(self, queries, found):
        """Return the first three backwards."""
        first = found[:, 2::-1]
        return first, np.tile(np.arange(3, 0, -1), (len(queries), 1))

    def size_rescored(self):
        """Return more."""
        return self.size() | {"more": 1}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return tiny_data.save_collection(tmp_path_factory.mktemp("tiny") / "collection")


@pytest.fixture
def facts(monkeypatch):
    """Return what sets the facts of `bm25`, whose ranker `Shared` takes the place of."""
    monkeypatch.setattr(module, "ranker_class", lambda method: Shared)

    def change(**own: bool) -> None:
        told = {"trains": False, "rescores": False} | own
        monkeypatch.setattr(known, "facts", lambda: {"bm25": SimpleNamespace(**told)})

    change()
    return change


GIVEN = {"k1": [1.0], "b": [0.5], "k": 4}


def test_runs_of_all_splits_come_of_one_search(collection, tmp_path, facts):
    out = [tmp_path / f"{split}.trec.gz" for split in ("test", "dev")]
    told = GIVEN | {"system": "mine", "seed": 5}
    tiny_data.rank("bm25", collection, out, tmp_path / "meta.json", **told)
    corpus = read_corpus(collection)
    words = [set(text.split()) for text in document_texts(corpus)]
    for path in out:
        topics, run = read_queries(collection, path.name.split(".")[0]), read_run(path)
        assert set(run) == set(topics["query_id"])
        for query_id, text in topics[["query_id", "text"]].to_numpy():
            shared = [(-len(own & set(text.split())), i) for i, own in enumerate(words)]
            right = [corpus["doc_id"][i] for n, i in sorted(shared)[:4] if n]
            assert list(run[query_id]) == right
    meta = json.loads((tmp_path / "meta.json").read_text())
    N = len(corpus)
    assert meta == {
        "dataset": "tiny",
        "system": "mine",
        "seed": 5,
        "setting": "shared words",
        "bytes_per_doc": 1007 // N,  # of one search
        "n_docs": N,
        "dim": 3,
        "bytes": {"codes": 1000, "other": 7},
    }


def test_what_ranks_anew_writes_a_second_run(collection, tmp_path, facts, monkeypatch):
    facts(rescores=True)
    monkeypatch.setattr(Shared, "timed", True)
    monkeypatch.setattr(Shared, "numbers", lambda self: {"beam": 9})
    (tmp_path / "h").mkdir()
    out, again = [tmp_path / "dev.trec.gz"], [tmp_path / "h/dev.trec.gz"]
    own, other = tmp_path / "own.json", tmp_path / "other.json"
    told = GIVEN | {"docs": tmp_path, "out_hybrid": again, "meta_hybrid": other}
    tiny_data.rank("bm25", collection, out, own, **told)
    first, second = read_run(out[0]), read_run(again[0])
    for query_id, found in first.items():
        names = list(found)[:3]
        assert list(second[query_id]) == names[::-1] or len(names) < 3
    own, other = (json.loads(path.read_text()) for path in (own, other))
    assert (own["setting"], other["setting"]) == ("shared words", "hybrid")
    assert other["bytes"] == own["bytes"] | {"more": 1}
    assert other["bytes_per_doc"] == 1008 // own["n_docs"]
    assert own["numbers"]["beam"] == other["numbers"]["beam"] == 9
    assert 0 < own["numbers"]["ms a query"] < other["numbers"]["ms a query"]


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ({"trains": True}, "--model: is missing. bm25 is trained: name its model"),
        ({"rescores": True}, "--out-hybrid, --meta-hybrid or --docs: is missing. bm25 ranks anew"),
    ],
)
def test_a_file_that_it_needs_and_lacks_is_named(collection, tmp_path, facts, own, line):
    facts(**own)
    with pytest.raises(InputError, match=line):
        tiny_data.rank("bm25", collection, [tmp_path / "dev.trec.gz"], tmp_path / "m", **GIVEN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", known.rankers())
def test_the_class_of_each_ranker_is_one(method):
    found = ranker_class(method)
    assert issubclass(found, Ranker) and not found.__abstractmethods__
    assert known.facts()[method].form == Form.RANKER
    if known.facts()[method].rescores:
        assert {"rescored", "size_rescored"} <= set(vars(found))
