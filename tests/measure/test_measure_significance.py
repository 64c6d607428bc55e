import numpy as np
import pytest
from scipy import stats

from jointir.measure.significance import bootstrap_interval, holm, means, paired_p


def test_bootstrap_equals_the_plain_loop():
    values, rng = np.random.default_rng(1).random(37), np.random.default_rng(5)
    means = [np.mean([values[i] for i in rng.integers(0, 37, size=37)]) for _ in range(150)]
    expected = np.percentile(means, [2.5, 97.5])
    assert bootstrap_interval(values, 150, 5) == pytest.approx(tuple(expected))


def test_bootstrap_resamples_the_same_queries_for_every_system():
    values = np.random.default_rng(1).random((40, 3))
    low, high = bootstrap_interval(values, 200, 0)
    for s in range(3):
        assert bootstrap_interval(values[:, s], 200, 0) == (low[s], high[s])
    assert np.all(low < values.mean(axis=0))
    assert np.all(values.mean(axis=0) < high)


@pytest.mark.parametrize("S", [1, 2, 5, 48])
def test_a_systems_statistics_are_the_same_to_the_last_bit_whatever_is_beside_it(S):
    values = np.random.default_rng(2).random((3000, 81))
    whole, part = (bootstrap_interval(v, 100, 1) for v in (values, values[:, :S]))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[:S], b)
    np.testing.assert_array_equal(means(values)[:S], means(values[:, :S]))
    assert means(values) == pytest.approx(values.mean(axis=0))


def test_bootstrap_of_a_constant_is_that_constant():
    assert bootstrap_interval(np.full(5, 0.25), 10, 0) == pytest.approx((0.25, 0.25))


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04; the last is raised to .06
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])
    assert len(holm(np.array([]))) == 0


def test_paired_t_by_hand():
    a, b = np.array([1.0, 2, 3, 4]), np.array([0.0, 2, 1, 3])
    t = 1 / (np.sqrt(2 / 3) / np.sqrt(4))  # differences 1 0 2 1: mean 1, variance 2/3
    assert paired_p(a, b) == pytest.approx(2 * stats.t.sf(t, 3))
    assert paired_p(b, a) == pytest.approx(paired_p(a, b))


def test_no_evidence_is_one():
    assert paired_p(np.ones(4), np.ones(4)) == 1
    assert paired_p(np.ones(1), np.zeros(1)) == 1
