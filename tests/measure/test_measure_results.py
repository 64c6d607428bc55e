import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from jointir.errors import InputError
from jointir.measure.results import COLUMNS, compare, measures_of, read_results, results

VALUES = {
    ("jpq", "M=2", 2): [1.0, 0.5, 0.5, 1.0, 0.25],
    ("jpq", "M=4", 4): [1.0, 1.0, 0.5, 1.0, 0.5],
    ("opq", "M=2", 2): [0.5, 0.5, 0.25, 0.5, 0.0],
    ("opq", "M=4", 4): [1.0, 0.5, 0.5, 1.0, 0.25],
    ("lsh", "bits=24", 3): [0.0, 0.0, 0.1, 0.0, 0.0],
    ("brute-force", "", 4): [1.0, 1.0, 1.0, 1.0, 0.5],
}


def write(folder, system, setting, size, values, seed=0):
    folder = folder / f"{system}{setting}{seed}"
    folder.mkdir(parents=True)
    meta = {"dataset": "toy", "system": system, "setting": setting, "seed": seed}
    meta |= {"bytes_per_doc": size, "n_docs": 9, "dim": 4, "bytes": {}}
    (folder / "meta.json").write_text(json.dumps(meta))
    rows = [(f"q{i}", "RR@10", v) for i, v in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
    frame.to_parquet(folder / "test.parquet")
    return folder / "test.parquet", folder / "meta.json"


def tabulate(tmp_path, files):
    runs, metas = zip(*files, strict=True)
    results(list(runs), list(metas), tmp_path / "results.csv", 100, 0)
    return read_results(tmp_path / "results.csv")


def test_results_of_a_toy(tmp_path):
    table = tabulate(tmp_path, [write(tmp_path, *key, v) for key, v in VALUES.items()])
    assert list(table.columns) == COLUMNS
    assert table["system"].tolist() == ["brute-force", "jpq", "jpq", "lsh", "opq", "opq"]
    assert set(table["measure"]) == {"MRR@10"}
    assert set(table["split"]) == {"test"}
    rows = table.set_index(["system", "setting"])
    for (system, setting, _), values in VALUES.items():
        row = rows.loc[(system, setting)]
        assert row["value"] == pytest.approx(np.mean(values))
        assert row["low"] <= row["value"] <= row["high"]
    # two comparisons: opq at 2 and at 4 bytes; Holm doubles the smaller p and keeps the order
    p2 = ttest_rel(VALUES["opq", "M=2", 2], VALUES["jpq", "M=2", 2]).pvalue
    p4 = ttest_rel(VALUES["opq", "M=4", 4], VALUES["jpq", "M=4", 4]).pvalue
    assert p2 < p4
    assert rows.loc[("opq", "M=2"), "p_holm"] == pytest.approx(2 * p2, rel=5e-3)
    assert rows.loc[("opq", "M=4"), "p_holm"] == pytest.approx(max(2 * p2, p4), rel=5e-3)
    assert table.loc[~table["system"].eq("opq"), "p_holm"].isna().all()


def test_order_of_the_files_does_not_matter(tmp_path):
    files = [write(tmp_path, *key, v) for key, v in VALUES.items()]
    tabulate(tmp_path, files)
    first = (tmp_path / "results.csv").read_bytes()
    tabulate(tmp_path, files[::-1])
    assert (tmp_path / "results.csv").read_bytes() == first


def test_jpq_of_the_same_seed_is_the_reference_else_the_first(tmp_path):
    jpq = {0: [1.0, 0.5, 0.5, 1.0], 1: [0.5, 0.25, 0.5, 1.0]}
    files = [write(tmp_path, "jpq", "M=2", 2, v, seed) for seed, v in jpq.items()]
    opq = [0.2, 0.1, 0.4, 0.3]
    for seed, ref in ((1, 1), (7, 0)):
        last = write(tmp_path, "opq", "M=2", 2, opq, seed)
        table = tabulate(tmp_path, [*files, last]).set_index("system")
        p = ttest_rel(opq, jpq[ref]).pvalue
        assert table.loc["opq", "p_holm"] == pytest.approx(p, rel=5e-3)


def test_refusals(tmp_path):
    a = write(tmp_path, "jpq", "M=2", 2, [1.0, 0.5])
    with pytest.raises(InputError, match="1 per-query files but 2 meta files"):
        results([a[0]], [a[1], a[1]], tmp_path / "r.csv", 10, 0)
    with pytest.raises(InputError, match="was already given for test"):
        tabulate(tmp_path, [a, a])
    with pytest.raises(InputError, match="its queries differ"):
        tabulate(tmp_path, [a, write(tmp_path, "opq", "M=2", 2, [1.0])])
    with pytest.raises(InputError, match="two jpq settings with seed 0 at 2 bytes"):
        tabulate(tmp_path, [a, write(tmp_path, "jpq", "M=2 hard", 2, [1.0, 0.5])])
    a[1].write_text("{}")
    with pytest.raises(InputError, match="'dataset' is missing"):
        tabulate(tmp_path, [a])


def test_compare(tmp_path):
    star = write(tmp_path, "star", "", 4, [1.0, 0.5, 1.0, 0.5])[0]
    base = write(tmp_path, "base", "", 4, [0.5, 0.5, 0.25, 0.5])[0]
    compare(star, base, tmp_path / "c.json", "star", "pretrained")
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["n_queries"] == 4
    mrr = found["measures"]["MRR@10"]
    assert (mrr["star"], mrr["pretrained"], mrr["difference"]) == (0.75, 0.4375, 0.3125)
    p = ttest_rel([1, 0.5, 1, 0.5], [0.5, 0.5, 0.25, 0.5]).pvalue
    assert mrr["p"] == pytest.approx(p, rel=5e-3)
    other = write(tmp_path, "other", "", 4, [1.0])[0]
    with pytest.raises(InputError, match="differ from those of"):
        compare(star, other, tmp_path / "d.json", "star", "other")


def test_rows_keep_the_order_of_the_measures_in_the_files(tmp_path):
    names = ["nDCG@10", "AP(rel=2)", "R@100", "RR@10"]  # sorted, they would be in another order
    files = [write(tmp_path, system, "M=2", 2, [0.0]) for system in ("opq", "jpq")]
    for values, _ in files:
        rows = [(f"q{i}", m, i + n / 10) for n, m in enumerate(names) for i in (1, 0)]
        pd.DataFrame(rows, columns=["query_id", "measure", "value"]).to_parquet(values)
    table = tabulate(tmp_path, files)
    told = ["nDCG@10", "MAP(rel=2)", "R@100", "MRR@10"]
    assert measures_of(table) == told
    assert table["measure"].tolist() == told * 2
    assert table["value"].tolist() == [0.5, 0.6, 0.7, 0.8] * 2
