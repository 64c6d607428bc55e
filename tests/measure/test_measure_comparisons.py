"""Comparisons by family: against a loop, over known values."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from jointir.basics.errors import InputError
from jointir.measure.comparisons import COLUMNS, comparisons, read_comparisons
from jointir.measure.families import ABLATION, FAMILIES, FIGURE4, STEPS, TABLE3, TABLE5
from jointir.measure.significance import holm
from jointir.report import figure7
from test_measure_results import VALUES, write

Q = 40
MEANS = {"opq": 0.3, "jpq-neg": 0.5, "jpq-loss": 0.4, "jpq-labelled": 0.6, "jpq": 0.7}
MEANS |= {"jpq-mse-1": 0.9}


def compared(folder, files, family, name="c.csv", **more):
    """Return the comparisons of a family of files of `write`."""
    runs, metas = zip(*files, strict=True)
    comparisons([family], list(runs), list(metas), folder / name, **more)
    return read_comparisons(folder / name, FAMILIES[family].words)


def test_same_bytes_of_a_toy(tmp_path):
    files = [write(tmp_path, *key, v) for key, v in VALUES.items()]
    table = compared(tmp_path, files, "figure4")
    assert list(table.columns) == COLUMNS
    # two comparisons: opq at 2 and at 4 bytes; Holm doubles the smaller p and keeps the order
    assert table[["system", "setting", "seeds"]].to_numpy().tolist() == [
        ["opq", "M=2", "0"],
        ["opq", "M=4", "0"],
    ]
    reference = ["reference", "reference_setting", "reference_seeds"]
    assert table[reference].to_numpy().tolist() == [["jpq", "M=2", "0"], ["jpq", "M=4", "0"]]
    rows = table.set_index("setting")
    p2 = ttest_rel(VALUES["opq", "M=2", 2], VALUES["jpq", "M=2", 2]).pvalue
    p4 = ttest_rel(VALUES["opq", "M=4", 4], VALUES["jpq", "M=4", 4]).pvalue
    assert p2 < p4
    assert rows["p"].tolist() == pytest.approx([p2, p4], rel=1e-5)
    assert rows.loc["M=2", "p_holm"] == pytest.approx(2 * p2, rel=1e-5)
    assert rows.loc["M=4", "p_holm"] == pytest.approx(max(2 * p2, p4), rel=1e-5)
    assert rows["difference"].tolist() == pytest.approx([-0.3, -0.15])


def test_jpq_of_the_same_seed_is_the_reference_else_the_first(tmp_path):
    jpq = {0: [1.0, 0.5, 0.5, 1.0], 1: [0.5, 0.25, 0.5, 1.0]}
    files = [write(tmp_path, "jpq", "M=2", 2, v, seed) for seed, v in jpq.items()]
    opq = [0.2, 0.1, 0.4, 0.3]
    for seed, ref in ((1, 1), (7, 0)):
        last = write(tmp_path, "opq", "M=2", 2, opq, seed)
        table = compared(tmp_path, [*files, last], "figure4").set_index("system")
        p = ttest_rel(opq, jpq[ref]).pvalue
        assert table.loc["opq", "p_holm"] == pytest.approx(p, rel=1e-5)
        assert table.loc["opq", "reference_seeds"] == str(ref)


def test_refusals(tmp_path):
    a = write(tmp_path, "jpq", "M=2", 2, [1.0, 0.5])
    with pytest.raises(InputError, match="two jpq settings with seed 0 at 2 bytes"):
        hard = write(tmp_path, "jpq", "M=2 hard", 2, [1.0, 0.5])
        compared(tmp_path, [a, hard], "figure4")
    with pytest.raises(InputError, match="its queries differ"):
        compared(tmp_path, [a, write(tmp_path, "opq", "M=2", 2, [1.0])], "figure4")
    with pytest.raises(InputError, match=r"'other'\. Use figure4, figure7, steps"):
        comparisons(["other"], [a[0]], [a[1]], tmp_path / "c.csv")
    with pytest.raises(InputError, match="table1 without times"):
        compared(tmp_path, [a], "table1", M=2)
    with pytest.raises(InputError, match=r"table1\.M: JPQ was not run with M=96"):
        compared(tmp_path, [a], "table5", M=96)
    assert not (tmp_path / "c.csv").exists()


def test_where_nothing_is_compared_the_table_is_empty(tmp_path):
    alone = [write(tmp_path, "jpq", "M=2", 2, [1.0, 0.5])]
    assert compared(tmp_path, alone, "figure4").empty
    assert (tmp_path / "c.csv").read_text().splitlines() == [",".join(COLUMNS)]


def test_tables_compare_their_rows_with_jpqs_and_correct_over_them(tmp_path):
    rng = np.random.default_rng(3)
    names = [("jpq", "M=4"), ("jpq", "M=2"), ("opq", "M=4"), ("bm25", "k1=1"), ("ance", "")]
    names += [("brute-force", ""), ("unknown", "")]
    values = {key: rng.random(Q) for key in names}
    files = [write(tmp_path, *key, 4, v) for key, v in values.items() if key[1] != "M=2"]
    files.append(write(tmp_path, "jpq", "M=2", 2, values["jpq", "M=2"]))
    runs, metas = (list(column) for column in zip(*files, strict=True))
    comparisons(["table3", "table5"], runs, metas, tmp_path / "c.csv", M=4)
    for family, systems in ((TABLE3, ["bm25"]), (TABLE5, ["ance", "brute-force", "unknown"])):
        table = read_comparisons(tmp_path / "c.csv", family).set_index("system")
        assert sorted(table.index) == systems
        assert set(table["reference_setting"]) == {"M=4"}
        of = {system: values[system, setting] for system, setting in names}
        own = [of[system] for system in table.index]
        jpq = values["jpq", "M=4"]
        raw = np.array([ttest_rel(v, jpq).pvalue for v in own])
        assert table["p"].tolist() == pytest.approx(raw.tolist(), rel=1e-5)
        assert table["p_holm"].tolist() == pytest.approx(holm(raw).tolist(), rel=1e-5)
        gained = [v.mean() - jpq.mean() for v in own]
        assert table["difference"].tolist() == pytest.approx(gained, abs=1e-6)


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"c\.csv: columns a, b"):
        read_comparisons(tmp_path / "c.csv", FIGURE4)


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
    return compared(folder, files[::order], "steps", "steps.csv")


def test_each_step_is_compared_with_the_one_before_over_means_of_seeds(drawn, tmp_path):
    table = tabulate(tmp_path, drawn)
    assert list(table.columns) == COLUMNS and set(table["family"]) == {STEPS}
    pairs = [("opq", "jpq-neg"), ("jpq-neg", "jpq-loss"), ("jpq-loss", "jpq-labelled")]
    pairs += [("jpq-labelled", "jpq"), ("opq", "jpq")]
    kept = {16: pairs, 32: pairs[2:]}  # at 32 a step is missing, and what it is compared with
    expected = []
    for M, own in kept.items():
        for before, step in own:
            a, b = (
                np.mean([drawn[s, M, seed] for seed in (1, 2, 3) if (s, M, seed) in drawn], axis=0)
                for s in (before, step)
            )
            told = "1" if before == "opq" else "1 2 3"
            p = ttest_rel(b, a).pvalue
            expected.append((f"M={M}", before, told, step, b.mean() - a.mean(), p))
    columns = ["setting", "reference", "reference_seeds", "system", "difference", "p"]
    for found, wanted in zip(table[columns].itertuples(index=False), expected, strict=True):
        assert found[:4] == wanted[:4]
        assert found[4] == pytest.approx(wanted[4], abs=1e-6)
        assert found[5] == pytest.approx(wanted[5], rel=1e-5)
    assert set(table["seeds"]) == {"1 2 3"} and set(table["measure"]) == {"MRR@10"}
    assert table["reference_setting"].equals(table["setting"])
    least = table["p"].idxmin()
    assert table["p_holm"][least] == pytest.approx(len(table) * table["p"][least], rel=1e-5)


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
    assert list(figure7.DRAWN) == ABLATION
