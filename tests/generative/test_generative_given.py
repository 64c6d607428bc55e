"""Identifiers that nobody learns: what each kind says of the embeddings."""

import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.generative.given import digit_ids, given_ids
from jointir.generative.warm import residual_codes

N, D, L, V = 300, 12, 3, 8


@pytest.fixture(scope="module")
def e():
    """Embeddings around 20 centres of unequal size."""
    rng = np.random.default_rng(0)
    own = rng.integers(0, 20, N) * rng.integers(0, 2, N)
    x = rng.normal(size=(20, D))[own] + 0.3 * rng.normal(size=(N, D))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_random_ids_use_every_token_alike_and_know_nothing(e):
    found = given_ids("random", e, L, V, 1)
    share = np.bincount(found.ravel(), minlength=V) / found.size
    assert abs(share - 1 / V).max() < 4 * (1 / V / found.size) ** 0.5
    assert np.array_equal(found, given_ids("random", -e, L, V, 1))


def test_residual_ids_are_residual_codes(e):
    assert np.array_equal(given_ids("residual", e, L, V, 1), residual_codes(e, L, V, 1)[0])


def test_product_ids_put_each_sub_vector_in_its_nearest_cluster(e):
    found = given_ids("product", e, L, V, 1)
    for i, part in enumerate(np.split(e, L, 1)):
        centres = np.stack([part[found[:, i] == v].mean(0) for v in range(V)])
        nearest = ((part[:, None] - centres) ** 2).sum(2).argmin(1)
        assert (nearest == found[:, i]).mean() > 0.97  # of k-means that has nearly settled


def test_tree_ids_name_every_document_and_divide_as_long_as_a_leaf_is_too_large(e):
    found = given_ids("tree", e, L, V, 1)
    assert len(np.unique(found, axis=0)) == N
    for t in range(L):
        prefixes, place, count = np.unique(
            found[:, :t], axis=0, return_inverse=True, return_counts=True
        )
        assert count.max() <= V ** (L - t)
        for own in range(len(prefixes)):
            rows = found[place.ravel() == own]
            if len(rows) <= V and (t == 0 or not (rows[:, t:] == 0).all()):
                assert sorted(rows[:, t]) == list(range(len(rows)))  # a leaf is numbered
                assert (rows[:, t + 1 :] == 0).all()


def test_first_tokens_of_a_tree_are_near_clusters(e):
    found = given_ids("tree", e, L, V, 1)[:, 0]
    inside = sum(e[found == v].var(0).sum() * (found == v).sum() for v in range(V)) / N
    drawn = np.random.default_rng(1).permutation(found)
    by_chance = sum(e[drawn == v].var(0).sum() * (drawn == v).sum() for v in range(V)) / N
    assert inside < 0.6 * by_chance


def test_a_full_tree_has_room_for_all():
    e = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    e[:40] = e[0]  # one cluster would have most of them
    assert len(np.unique(given_ids("tree", e, 3, 4, 1), axis=0)) == 64
    with pytest.raises(InputError, match=r"64 documents for 4\^2 identifiers"):
        given_ids("tree", e, 2, 4, 1)


def test_an_unknown_kind_is_named(e):
    with pytest.raises(InputError, match=r"asi\.given: 'semantic' is unknown"):
        given_ids("semantic", e, L, V, 1)


def test_digits_are_all_numbers_below_n_once():
    found = given_ids("digits", np.zeros((N, D)), 0, 10, 1)
    assert found.shape == (N, 3)
    numbers = [int("".join(map(str, row))) for row in found.tolist()]
    assert sorted(numbers) == list(range(N)) and numbers != sorted(numbers)
    assert numbers != [int("".join(map(str, row))) for row in digit_ids(N, 0, 10, 2).tolist()]


@pytest.mark.parametrize(("n", "base", "L"), [(1, 10, 1), (10, 10, 1), (11, 10, 2), (1000, 10, 3)])
def test_digits_are_as_many_as_the_last_number_has(n, base, L):
    assert digit_ids(n, 0, base, 1).shape == (n, L)
    longer = digit_ids(n, L + 1, base, 1)
    assert (longer[:, 0] == 0).all() and np.array_equal(longer[:, 1:], digit_ids(n, L, base, 1))


def test_digits_without_room_are_refused():
    with pytest.raises(InputError, match=r"asi\.length: 300 documents for 4\^4 identifiers"):
        digit_ids(300, 4, 4, 1)


def test_atomic_ids_are_one_token_each():
    assert given_ids("atomic", np.zeros((N, D)), 4, 256, 1).tolist() == [[i] for i in range(N)]


def test_a_tree_of_few_clusters_has_larger_leaves(e):
    k, c = 3, 20
    found = given_ids("tree", e, 4, c, 1, k)
    assert len(np.unique(found, axis=0)) == N
    leaves = 0
    for t in range(4):
        prefixes, place = np.unique(found[:, :t], axis=0, return_inverse=True)
        for own in range(len(prefixes)):
            rows = found[place.ravel() == own]
            if len(rows) > c:  # divided
                assert rows[:, t].max() < k
            elif t == 0 or not (rows[:, t:] == 0).all():
                assert (
                    sorted(rows[:, t]) == list(range(len(rows))) and (rows[:, t + 1 :] == 0).all()
                )
                leaves += 1
    assert leaves >= N / c


def test_a_tree_has_room_for_its_leaves_alone():
    e = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    e[:30] = e[0]
    assert len(np.unique(given_ids("tree", e, 3, 10, 1, 2), axis=0)) == 40  # 2 x 2 leaves of 10
    with pytest.raises(InputError, match=r"asi\.length: 40 documents for 2\^1 x 10 identifiers"):
        given_ids("tree", e, 2, 10, 1, 2)
    with pytest.raises(InputError, match=r"asi\.clusters: 11 clusters, but 10 tokens a position"):
        given_ids("tree", e, 3, 10, 1, 11)
