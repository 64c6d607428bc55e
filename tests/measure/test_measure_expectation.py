"""Expected effectiveness over the random order of documents that share an identifier."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointir.basics.errors import InputError
from jointir.data.store import About, write_about
from jointir.data.trec import write_run
from jointir.measure.expectation import (
    expected_recall,
    expected_rr,
    first_of,
    measure_ids,
    query_values,
)


def sample(sizes, relevant, cut, rng):
    """R@cut's numerator and RR@cut of one random order within each group."""
    ranked = []
    for n, r in zip(sizes, relevant, strict=True):
        ranked += rng.permutation([True] * r + [False] * (n - r)).tolist()
    top = ranked[:cut]
    return sum(top), 1 / (top.index(True) + 1) if any(top) else 0.0


groups = st.lists(st.tuples(st.integers(1, 15), st.integers(0, 3)), min_size=1, max_size=5)


@given(groups, st.sampled_from([1, 5, 10]))
def test_expectations_agree_with_sampling(groups, cut):
    sizes = [n for n, _ in groups]
    relevant = [min(n, r) for n, r in groups]
    total = sum(relevant) + 1
    rng = np.random.default_rng(0)
    drawn = np.array([sample(sizes, relevant, cut, rng) for _ in range(3000)])
    near = 4 * drawn.std(0) / len(drawn) ** 0.5 + 1e-9
    assert abs(expected_recall(sizes, relevant, total, cut) * total - drawn[:, 0].mean()) <= near[0]
    assert abs(expected_rr(sizes, relevant, cut) - drawn[:, 1].mean()) <= near[1]


@given(st.integers(1, 30), st.integers(0, 30))
def test_where_the_first_relevant_document_is(n, r):
    r = min(n, r)
    p = first_of(n, r, n)
    assert p.sum() == pytest.approx(1 if r else 0)
    if r:
        assert p[0] == pytest.approx(r / n)
        assert p @ np.arange(1, n + 1) == pytest.approx((n + 1) / (r + 1))  # its known mean


def test_one_identifier_for_all_is_perfect_in_one_reading_only():
    values = query_values(["a"], Counter(a=1000), Counter(a=1))
    assert values["R@1 correct id"] == values["RR@10 correct id"] == 1
    assert values["R@1 expectation"] == pytest.approx(0.001)
    assert values["R@10 expectation"] == pytest.approx(0.01)


def test_identifiers_of_no_document_take_a_rank_but_no_place():
    values = query_values(["none", "a"], Counter(a=1), Counter(a=1))
    assert values["R@1 correct id"] == 0 and values["RR@10 correct id"] == 0.5
    assert values["R@1 expectation"] == 1 and values["documents a query"] == 1


def test_documents_a_query_are_those_of_its_identifiers_a_thousand_at_most():
    group = Counter(a=700, b=299, c=2)
    assert query_values(["a", "b"], group, Counter(a=1))["documents a query"] == 999
    assert query_values(["a", "b", "c"], group, Counter(a=1))["documents a query"] == 1000


def test_a_querys_own_document_is_no_answer():
    group, wanted = Counter(a=2, b=1, c=1), Counter({"b": 1, "": 1})  # one that nothing finds
    values = query_values(["a", "c", "b"], group, wanted, own="a")
    assert values["RR@10 expectation"] == pytest.approx(1 / 3)  # a, c, b: one document each
    assert values["R@10 expectation"] == values["R@10 correct id"] == 0.5
    alone = query_values(["c", "b"], group, wanted, own="c")
    assert alone["RR@10 expectation"] == 1
    assert query_values(["a", "c", "b"], group, wanted)["RR@10 expectation"] == pytest.approx(1 / 4)


def test_what_is_not_in_the_corpus_counts_as_not_found(tmp_path):
    answers, runs, ids, collection = write(tmp_path)
    (collection / "qrels" / "test.trec").write_text("q1 0 x 1\nq1 0 nowhere 1\nq1 0 q1 1\n")
    measure_ids(answers, runs, ids, collection, tmp_path / "values.parquet")
    values = pd.read_parquet(tmp_path / "values.parquet").set_index("measure")["value"]
    assert values["R@10 correct id"] == values["R@10 expectation"] == pytest.approx(1 / 3)


def test_a_relevant_document_that_is_the_query_itself_counts_as_not_found(tmp_path):
    answers, runs, ids, collection = write(tmp_path)
    (collection / "qrels" / "test.trec").write_text("q1 0 x 1\nq1 0 q1 1\n")
    documents = pd.read_parquet(ids).replace("z", "q1")  # whose identifier came first
    documents.to_parquet(ids)
    found = {}
    for drop in (False, True):
        write_about(collection, About(drop_identical_ids=drop))
        measure_ids(answers, runs, ids, collection, tmp_path / "values.parquet")
        values = pd.read_parquet(tmp_path / "values.parquet").set_index("measure")["value"]
        found[drop] = values["R@10 expectation"], values["RR@10 expectation"]
    # x and y share an identifier, which came second, or first where q1's is no answer
    assert found[False] == (1, 1)
    assert found[True] == pytest.approx((1 / 2, (1 / 1 + 1 / 2) / 2))


def write(folder):
    """Write two documents that share an identifier, one that does not, and answers."""
    ids = pd.DataFrame({"doc_id": ["x", "y", "z"], "id_1": [1, 1, 2], "id_2": [0, 0, 5]})
    ids.to_parquet(folder / "ids.parquet")
    answers = pd.DataFrame(
        {"split": "test", "decoding": "free", "query_id": ["q1", "q1"], "rank": [2, 1]}
        | {"score": [-2.0, -0.1], "id_1": [1, 2], "id_2": [0, 5]}
    )
    answers.to_parquet(folder / "answers.parquet")
    found = [["y", "x", ""], ["x", "y", "z"]]
    write_run(folder / "test.trec.gz", ["q1", "q3"], found, np.array([[3, 2, 1]] * 2), "asi")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.trec").write_text("q1 0 x 1\nq1 0 z 0\nq2 0 z 1\n")
    runs = [folder / "test.trec.gz"]
    return folder / "answers.parquet", runs, folder / "ids.parquet", folder


def test_measure_ids_reads_files_and_counts_unanswered_queries(tmp_path):
    measure_ids(*write(tmp_path), tmp_path / "values.parquet")
    values = pd.read_parquet(tmp_path / "values.parquet")
    assert values["split"].eq("test").all() and set(values["decoding"]) == {"free", "hybrid"}
    hybrid = values[values["decoding"].eq("hybrid")].set_index(["query_id", "measure"])["value"]
    values = values[values["decoding"].eq("free")]
    values = values.set_index(["query_id", "measure"])["value"]
    assert values["q1", "R@1 correct id"] == 0  # z came first, and is not relevant
    assert values["q1", "RR@10 correct id"] == 0.5
    assert values["q1", "RR@10 expectation"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert values["q1", "documents a query"] == 3
    assert values["q2"].eq(0).all()
    names = ["R@1", "R@5", "R@10", "R@100", "RR@10"]
    assert hybrid.index.tolist() == [(q, f"{m} documents") for m in names for q in ("q1", "q2")]
    assert hybrid["q1", "R@1 documents"] == 0  # y came first, and is not relevant
    assert hybrid["q1", "R@5 documents"] == 1 and hybrid["q1", "RR@10 documents"] == 0.5
    assert hybrid["q2"].eq(0).all()


def test_answers_to_other_queries_are_refused(tmp_path):
    answers, runs, ids, collection = write(tmp_path)
    (collection / "qrels" / "test.trec").write_text("other 0 x 1\n")
    with pytest.raises(InputError, match="no query of 'test' is judged"):
        measure_ids(answers, runs, ids, collection, tmp_path / "values.parquet")
    assert not (tmp_path / "values.parquet").exists()
