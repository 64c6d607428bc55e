"""Splits: exact sizes, no dependence on row order, and the hash that the docstring promises."""

import hashlib

import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.data.splits import split_by_group, split_queries


def collection(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    ids = [f"q{i}" for i in range(n)]
    return (
        pd.DataFrame({"query_id": ids, "text": "x"}),
        pd.DataFrame({"query_id": ids, "doc_id": "d", "relevance": 1}),
    )


def test_the_split_is_the_documented_hash_order():
    queries, qrels = collection(20)
    split = split_queries(queries, qrels, dev=3, test=2, seed=7)
    order = sorted(queries["query_id"], key=lambda i: hashlib.sha256(f"7:{i}".encode()).hexdigest())
    by_id = dict(zip(queries["query_id"], split, strict=True))
    assert [by_id[i] for i in order] == ["test"] * 2 + ["dev"] * 3 + ["train"] * 15


def test_row_order_makes_no_difference_and_the_index_is_kept():
    queries, qrels = collection(30)
    split = split_queries(queries, qrels, 5, 5, seed=1)
    shuffled = queries.sample(frac=1, random_state=0)
    again = split_queries(shuffled, qrels.iloc[::-1], 5, 5, seed=1)
    assert again.index.equals(shuffled.index)
    pd.testing.assert_series_equal(again.sort_index(), split)


def test_another_seed_gives_another_split():
    queries, qrels = collection(30)
    assert not split_queries(queries, qrels, 5, 5, 1).equals(split_queries(queries, qrels, 5, 5, 2))


def test_a_query_without_a_relevant_document_is_only_trained_on():
    queries, qrels = collection(10)
    qrels.loc[:3, "relevance"] = 0
    split = split_queries(queries, qrels, dev=2, test=3, seed=0)
    assert list(split[:4]) == ["train"] * 4
    assert split.value_counts().to_dict() == {"train": 5, "test": 3, "dev": 2}


@pytest.mark.parametrize(("dev", "test"), [(3, 2), (9, 0), (-1, 2)])
def test_too_few_queries(dev: int, test: int):
    queries, qrels = collection(5)
    with pytest.raises(InputError) as e:
        split_queries(queries, qrels, dev, test, seed=0)
    assert f"5 have a relevant document, too few for dev={dev} and test={test}" in str(e.value)
    assert "less than 5" in str(e.value)


def test_a_huge_number_is_told_short():
    queries, qrels = collection(5)
    with pytest.raises(InputError, match=r"too few for dev=1\.00e\+300 and test=2\. Let"):
        split_queries(queries, qrels, 10**300, 2, seed=0)


def test_no_group_is_in_two_splits_and_each_has_its_number():
    ids = [f"q{i}" for i in range(60)]
    queries = pd.DataFrame({"query_id": ids, "text": "x"})
    groups = pd.Series([f"g{i % 10}" for i in range(60)])  # ten groups of six
    split = split_by_group(queries, groups, dev=8, test=7, seed=3)
    order = sorted(set(groups), key=lambda g: hashlib.sha256(f"3:{g}".encode()).hexdigest())
    test, dev, train = order[:2], order[2:4], order[4:]  # two groups hold seven, and eight
    assert split.value_counts().to_dict() == {"train": 36, "dev": 8, "test": 7, "": 9}
    for name, own in (("test", test), ("dev", dev), ("train", train)):
        assert set(groups[split.eq(name)]) <= set(own)
    left_out = [i for i in ids if groups[int(i[1:])] in test]
    left_out.sort(key=lambda i: hashlib.sha256(f"3:{i}".encode()).hexdigest())
    assert set(queries["query_id"][split.eq("test")]) == set(left_out[:7])
    shuffled = queries.sample(frac=1, random_state=0)
    again = split_by_group(shuffled, groups[shuffled.index], 8, 7, 3)
    pd.testing.assert_series_equal(again.sort_index(), split)


def test_groups_that_leave_none_to_train_on_are_refused():
    queries = pd.DataFrame({"query_id": ["a", "b", "c"], "text": "x"})
    with pytest.raises(InputError, match="of 3 groups none is left to train on"):
        split_by_group(queries, pd.Series(["x", "y", "z"]), dev=1, test=2, seed=1)
