"""Each strategy of the ablation against the one before: against a loop, over known values."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from jointir.errors import InputError
from jointir.measure.steps import COLUMNS, STEPS, read_steps, steps
from jointir.report import figure7
from test_measure_results import write

Q = 40
MEANS = {"opq": 0.3, "jpq-neg": 0.5, "jpq-loss": 0.4, "jpq": 0.7, "jpq-mse-1": 0.9}


@pytest.fixture
def drawn():
    """Return the values of each (system, M, seed): OPQ has one seed, M = 32 no + JPQ negatives."""
    rng = np.random.default_rng(1)
    return {
        (system, M, seed): rng.normal(MEANS[system], 0.2, Q)
        for system in MEANS
        for M in (16, 32)
        for seed in ((1,) if system == "opq" else (1, 2, 3))
        if (system, M) != ("jpq-neg", 32)
    }


def tabulate(folder, drawn, order=1):
    files = [write(folder, s, f"M={M}", M, v, seed) for (s, M, seed), v in drawn.items()]
    runs, metas = zip(*files[::order], strict=True)
    steps(list(runs), list(metas), folder / "steps.csv")
    return read_steps(folder / "steps.csv")


def test_each_step_is_compared_with_the_one_before_over_means_of_seeds(drawn, tmp_path):
    table = tabulate(tmp_path, drawn)
    assert list(table.columns) == COLUMNS
    pairs = [("opq", "jpq-neg"), ("jpq-neg", "jpq-loss"), ("jpq-loss", "jpq"), ("opq", "jpq")]
    kept = {16: pairs, 32: pairs[2:]}  # at 32 a step is missing, and what it is compared with
    expected = []
    for M, own in kept.items():
        for before, step in own:
            a, b = (
                np.mean([drawn[s, M, seed] for seed in (1, 2, 3) if (s, M, seed) in drawn], axis=0)
                for s in (before, step)
            )
            expected.append((M, before, step, a.mean(), b.mean(), ttest_rel(b, a).pvalue))
    numbers = table[["bytes_per_doc", "before", "step", "value_before", "value", "p"]]
    for found, wanted in zip(numbers.itertuples(index=False), expected, strict=True):
        assert found[:3] == wanted[:3]
        assert found[3:5] == pytest.approx(wanted[3:5], abs=1e-6)
        assert found[5] == pytest.approx(wanted[5], rel=5e-3)
    assert set(table["seeds"]) == {3} and set(table["measure"]) == {"MRR@10"}
    least = table["p"].idxmin()
    assert table["p_holm"][least] == pytest.approx(len(table) * table["p"][least], rel=1e-2)


def test_the_order_of_the_files_does_not_matter(drawn, tmp_path):
    for name, order in (("a", 1), ("b", -1)):
        tabulate(tmp_path / name, drawn, order)
    assert (tmp_path / "a/steps.csv").read_bytes() == (tmp_path / "b/steps.csv").read_bytes()


def test_steps_without_the_ones_before_are_refused(drawn, tmp_path):
    alone = {key: v for key, v in drawn.items() if key[0] in ("jpq-neg", "jpq-mse-1")}
    with pytest.raises(InputError, match="no two of its steps have one size"):
        tabulate(tmp_path, alone)
    assert not (tmp_path / "steps.csv").exists()


def test_the_figure_has_the_same_steps():
    assert list(figure7.STEPS) == STEPS
