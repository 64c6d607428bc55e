"""Splits: exact sizes, no dependence on row order, and the hash that the docstring promises."""

import hashlib

import pandas as pd
import pytest

from jointir.data.splits import split_queries
from jointir.errors import InputError


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
