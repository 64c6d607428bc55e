"""Collections without a split: dev out of train, and what is refused because nothing is left."""

import hashlib

import pytest

from jointir.basics.errors import InputError
from jointir.data.corpus import corpus_beir
from jointir.data.store import read_queries
from test_collections import HEADER, QRELS, SOUND, beir, judged, record, values


@pytest.mark.parametrize("name", ["validation", "val"])
def test_dev_has_other_names(name, tmp_path):
    folder = beir(tmp_path)
    (folder / "qrels/dev.tsv").rename(folder / f"qrels/{name}.tsv")
    corpus_beir(folder, tmp_path / "out")
    assert values(tmp_path / "out") == SOUND


def by_hash(seed: int) -> list[str]:
    """Return the training queries in the order in which they become dev."""
    return sorted(
        ["q1", "q2", "q3"], key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).hexdigest()
    )


@pytest.mark.parametrize(
    ("dev", "seed", "n"), [(0.34, 13, 1), (0.1, 13, 1), (2, 13, 2), (0.5, 4, 2), (1, 5, 1)]
)
def test_a_part_of_train_becomes_dev(dev, seed, n, tmp_path):
    # a query that has no document in the corpus cannot be measured: it stays in train
    more = {"queries.jsonl": [record("q6", "x")], "qrels/train.tsv": [judged("q6", "none", 1)]}
    folder = beir(tmp_path, more, without="qrels/dev.tsv")
    corpus_beir(folder, tmp_path / "out", dev=dev, seed=seed)
    chosen = set(by_hash(seed)[:n])
    found, train = values(tmp_path / "out"), QRELS["train"]
    assert found["dev"] == [row for row in train if row[0] in chosen]
    rest = [row for row in train if row[0] not in chosen]
    assert found["train"] == [*rest, ("q6", "none", 1)]
    dev_queries = read_queries(tmp_path / "out", "dev")["query_id"]
    assert set(dev_queries) == chosen and found["test"] == QRELS["test"]


NO_SPLIT = {
    "no dev": ("qrels/dev.tsv", {}, r"beir: there is no dev split\. Add one, or set `splits: {dev"),
    "no train": ("qrels/train.tsv", {}, r"beir: there is no train split\. Add its judgements"),
    "no test": ("qrels/test.tsv", {}, r"beir: there is no test split\. Add its judgements"),
    "dev twice": ("", {"dev": 0.1}, r"beir: it has a dev split, and splits\.dev asks for 0\.1"),
    "all of train": ("qrels/dev.tsv", {"dev": 3}, "3 of train are 3 queries, of 3 with a relevant"),
    "one or all": ("qrels/dev.tsv", {"dev": 1.0}, r"splits\.dev: 1\.0 may mean .*Write 1 for one"),
    "one or all, otherwise": ("qrels/dev.tsv", {"dev": "1e0"}, r"splits\.dev: 1e0 may mean one"),
    "huge": ("qrels/dev.tsv", {"dev": 1e308}, r"1e\+308 of train are 1\.00e\+308 queries, of 3"),
    "not a number": ("qrels/dev.tsv", {"dev": "nan"}, r"splits\.dev: nan\. Set a share between"),
    "infinite": ("qrels/dev.tsv", {"dev": "inf"}, r"splits\.dev: inf\. Set a share between"),
    "a word": ("qrels/dev.tsv", {"dev": "some"}, r"splits\.dev: 'some' is no number\. Set a share"),
    "a share above 1": ("qrels/dev.tsv", {"dev": 1.5}, r"splits\.dev: 1\.5\. Set a share between"),
    "a negative share": ("qrels/dev.tsv", {"dev": -1}, r"splits\.dev: -1\. Set a share between"),
}


@pytest.mark.parametrize("case", NO_SPLIT)
def test_a_collection_without_a_split_is_refused_in_one_line(case, tmp_path):
    without, options, found = NO_SPLIT[case]
    with pytest.raises(InputError, match=found):
        corpus_beir(beir(tmp_path, without=without), tmp_path / "out", **options)
    assert [p.name for p in tmp_path.iterdir()] == ["beir"]


NOTHING = {  # the test query's judgement or document in place of a sound one
    "not in the corpus": ({}, [judged("q5", "nowhere", 1)]),
    "not relevant": ({}, [judged("q5", "d5", 0)]),
    "of a query without text": ({"queries.jsonl": [record("q6", "")]}, [judged("q6", "d1", 1)]),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_split_on_which_nothing_can_be_found_is_refused(case, tmp_path):
    more, rows = NOTHING[case]
    folder = beir(tmp_path, more)
    (folder / "qrels/test.tsv").write_text("\n".join([HEADER, *rows]))
    with pytest.raises(InputError, match="split 'test' has no relevant document that is in the"):
        corpus_beir(folder, tmp_path / "out")


def test_train_needs_a_relevant_document_with_text(tmp_path):
    folder = beir(tmp_path, {"corpus.jsonl": [record("d7", "")]})
    (folder / "qrels/train.tsv").write_text("\n".join([HEADER, judged("q1", "d7", 1)]))
    with pytest.raises(InputError, match="split 'train' has no relevant document with text in the"):
        corpus_beir(folder, tmp_path / "out")
