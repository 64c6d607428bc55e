"""The comparison of two runs, of which one is the other one's start."""

import json

import pytest
from scipy.stats import ttest_rel

from jointir.errors import InputError
from jointir.measure.two_runs import compare_runs
from test_measure_results import write


def test_compare(tmp_path):
    star = write(tmp_path, "star", "", 4, [1.0, 0.5, 1.0, 0.5])[0]
    base = write(tmp_path, "base", "", 4, [0.5, 0.5, 0.25, 0.5])[0]
    compare_runs(star, base, tmp_path / "c.json", "star", "pretrained")
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["n_queries"] == 4
    mrr = found["measures"]["MRR@10"]
    assert (mrr["star"], mrr["pretrained"], mrr["difference"]) == (0.75, 0.4375, 0.3125)
    p = ttest_rel([1, 0.5, 1, 0.5], [0.5, 0.5, 0.25, 0.5]).pvalue
    assert mrr["p"] == pytest.approx(p, rel=5e-3)
    other = write(tmp_path, "other", "", 4, [1.0])[0]
    with pytest.raises(InputError, match="differ from those of"):
        compare_runs(star, other, tmp_path / "d.json", "star", "other")
