"""BM25 against its formula, written out."""

import gzip
import json
import math
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.measure.effectiveness import measure
from tiny import rank

K1, B = 1.2, 0.4


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def words(text):
    return re.findall(r"\w\w+", text.lower())


def scores(texts, query, k1=K1, b=B):
    """Return Lucene's BM25 of every text."""
    docs = [Counter(words(text)) for text in texts]
    lengths = [sum(d.values()) for d in docs]
    mean, found = np.mean(lengths), np.zeros(len(docs))
    for word in words(query):
        n = sum(word in d for d in docs)
        idf = math.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        for i, (d, length) in enumerate(zip(docs, lengths, strict=True)):
            found[i] += idf * d[word] / (d[word] + k1 * (1 - b + b * length / mean))
    return found


def test_scores_are_those_of_the_formula(tiny, tmp_path):
    out = [tmp_path / "dev.trec.gz", tmp_path / "test.trec.gz"]
    rank("bm25", tiny.collection, out, tmp_path / "meta.json", k1=[K1], b=[B], k=5)
    texts = document_texts(read_corpus(tiny.collection))
    for split in ("dev", "test"):
        with gzip.open(tmp_path / f"{split}.trec.gz", "rt") as f:
            lines = [line.split() for line in f]
        topics = read_queries(tiny.collection, split)
        assert {line[0] for line in lines} == set(topics["query_id"])
        for query_id, text in topics[["query_id", "text"]].itertuples(index=False):
            right = scores(texts, text)
            own = [line for line in lines if line[0] == query_id]
            found = [float(line[4]) for line in own]
            assert len(own) == min(5, (right > 0).sum())
            np.testing.assert_allclose(found, np.sort(right)[::-1][: len(own)], rtol=1e-4)
            for line, value in zip(own, found, strict=True):
                assert right[int(line[2][1:])] == pytest.approx(value, rel=1e-4)


def test_documents_without_a_word_of_the_query_are_not_retrieved(tiny, tmp_path):
    out = [tmp_path / "dev.trec.gz"]
    rank("bm25", tiny.collection, out, tmp_path / "meta.json", k1=[K1], b=[B], k=10_000)
    texts = document_texts(read_corpus(tiny.collection))
    topics = read_queries(tiny.collection, "dev").set_index("query_id")["text"]
    with gzip.open(tmp_path / "dev.trec.gz", "rt") as f:
        for query_id, _, doc, *_ in map(str.split, f):
            assert set(words(topics[query_id])) & set(words(texts[int(doc[1:])]))


def test_k1_and_b_are_those_that_are_best_on_dev(tiny, tmp_path):
    qrels = tiny.collection / "qrels" / "dev.trec"
    tried = {}
    for k1, b in [(0.1, 0.0), (0.1, 1.0), (9.0, 0.0), (9.0, 1.0)]:
        out, meta = tmp_path / "dev.trec.gz", tmp_path / "meta.json"
        rank("bm25", tiny.collection, [out], meta, k1=[k1], b=[b], k=10)
        measure([out], [qrels], [tmp_path / "v.parquet"], ["RR@10"])
        tried[k1, b] = pd.read_parquet(tmp_path / "v.parquet")["value"].mean()
    best = max(tried, key=tried.get)  # of equals, the first
    assert min(tried.values()) < tried[best] and best != (0.1, 0.0)
    rank("bm25", tiny.collection, [out], meta, k1=[0.1, 9.0], b=[0.0, 1.0], k=10)
    facts = json.loads(meta.read_text())
    assert facts["setting"] == f"k1={best[0]:g} b={best[1]:g}"
    measure([out], [qrels], [tmp_path / "v.parquet"], ["RR@10"])
    assert pd.read_parquet(tmp_path / "v.parquet")["value"].mean() == tried[best]


def test_the_index_weighs_a_weight_and_a_row_for_each_posting(tiny, tmp_path):
    meta = tmp_path / "meta.json"
    rank("bm25", tiny.collection, [tmp_path / "dev.trec.gz"], meta, k1=[K1], b=[B])
    docs = [set(words(text)) for text in document_texts(read_corpus(tiny.collection))]
    size = json.loads(meta.read_text())["bytes"]
    assert size["codes"] == 8 * sum(map(len, docs))
    vocabulary = set().union(*docs)
    assert size["other"] >= 4 * len(vocabulary) + sum(map(len, vocabulary))


def test_nothing_to_try_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="no k1 or no b"):
        rank("bm25", tiny.collection, [tmp_path / "dev.trec.gz"], tmp_path / "m", k1=[], b=[0.5])


def test_they_are_chosen_by_the_measure_that_is_asked_for(tiny, tmp_path):
    qrels = tiny.collection / "qrels" / "dev.trec"
    out, meta = tmp_path / "dev.trec.gz", tmp_path / "meta.json"
    pairs = [(0.1, 0.0), (0.1, 1.0), (9.0, 0.0), (9.0, 1.0)]
    for name in ("R@5", "AP", "nDCG(dcg='exp-log2')@10"):
        tried = {}
        for k1, b in pairs:
            rank("bm25", tiny.collection, [out], meta, k1=[k1], b=[b], k=10)
            measure([out], [qrels], [tmp_path / "v.parquet"], [name])
            tried[k1, b] = pd.read_parquet(tmp_path / "v.parquet")["value"].mean()
        rank("bm25", tiny.collection, [out], meta, k1=[0.1, 9.0], b=[0.0, 1.0], k=10, measure=name)
        measure([out], [qrels], [tmp_path / "v.parquet"], [name])
        assert pd.read_parquet(tmp_path / "v.parquet")["value"].mean() == max(tried.values())
    with pytest.raises(InputError, match="--measure: RR@10 looks at 10 documents a query, and"):
        rank("bm25", tiny.collection, [out], meta, k1=[1.0, 2.0], b=[0.5], k=9)
    with pytest.raises(InputError, match="unknown measure 'foo'"):
        rank("bm25", tiny.collection, [out], meta, k1=[1.0, 2.0], b=[0.5], measure="foo")
