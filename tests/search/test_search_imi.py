"""faiss' inverted multi-index, which names a list twice and then finds a document twice."""

import numpy as np
import pytest

from jointir.search.ann.with_faiss import IMI, once
from jointir.search.fits import typed
from test_search_ann import QUERIES, built, recall


def test_a_list_that_faiss_names_twice_is_searched_once():
    """Rounding makes sums of distances equal, and its multi-index then repeats a list."""
    rng = np.random.default_rng(0)
    docs, queries = (rng.standard_normal((n, 8)).astype("f4") for n in (3000, 200))
    imi = IMI.build(docs, typed("imi", {"bits": 8, "seed": 1}), 1)
    _, rows = imi.search(queries, 50, 4096, 1)
    _, raw = imi.index.search(queries, 50)
    repeats = [sum(len(set(row)) < 50 for row in found) for found in (raw, rows)]
    assert repeats[0] > 0 and repeats[1] == 0
    clean = [len(set(row)) == 50 for row in raw]
    assert np.array_equal(raw[clean], rows[clean])


def test_more_lists_than_there_are_is_all_of_them():
    imi = built("imi", bits=2)
    answers = [imi.search(QUERIES, 10, value, 1) for value in (17, 16)]
    assert np.array_equal(*answers) and recall(answers[0][1]) == 1


@pytest.mark.parametrize("high", [2, 5, 1000])
def test_once_keeps_the_first_of_equals(high):
    lists = np.random.default_rng(high).integers(-1, high, (30, 12))
    loop = [[-1 if x in row[:i] else x for i, x in enumerate(row)] for row in lists.tolist()]
    assert once(lists).tolist() == loop
