import json

import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure.results import COLUMNS, measures_of, read_results, results, shown

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
    return read_results([tmp_path / "results.csv"])


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


def test_a_row_is_the_same_in_every_file_that_it_may_stand_in(tmp_path):
    rng = np.random.default_rng(0)
    files = [write(tmp_path, f"s{i}", "M=2", 2, rng.random(301)) for i in range(9)]
    whole = tabulate(tmp_path, files)
    for i, one in enumerate(files):
        pd.testing.assert_frame_equal(
            tabulate(tmp_path, [one]), whole[i : i + 1].reset_index(drop=True)
        )


def test_several_files_are_read_as_one(tmp_path):
    files = [write(tmp_path, *key, v) for key, v in VALUES.items()]
    whole = tabulate(tmp_path, files)
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, own in zip(paths, (files[1::2], files[::2]), strict=True):
        results(*map(list, zip(*own, strict=True)), path, 100, 0)
    pd.testing.assert_frame_equal(read_results(paths), whole)
    with pytest.raises(InputError, match=r"a\.csv: brute-force  seed 0 was already given for test"):
        read_results([*paths, paths[0]])
    lines = paths[1].read_text().replace("MRR@10", "R@1")
    paths[1].write_text(lines)
    with pytest.raises(
        InputError, match=r"b\.csv: its measures \['R@1'\] are not those of .*a\.csv"
    ):
        read_results(paths)
    with pytest.raises(InputError, match="no files"):
        read_results([])


def test_what_is_shown_are_the_runs_of_the_meta_files(tmp_path):
    files = [write(tmp_path, *key, v) for key, v in VALUES.items()]
    tabulate(tmp_path, files[:4])
    path = [tmp_path / "results.csv"]
    found = shown(path, [meta for _, meta in files[1:3]])
    assert found[["system", "setting"]].to_numpy().tolist() == [["jpq", "M=4"], ["opq", "M=2"]]
    with pytest.raises(InputError, match="brute-force  seed 0 of toy is in none of the results"):
        shown(path, [files[0][1], files[5][1]])


def test_order_of_the_files_does_not_matter(tmp_path):
    files = [write(tmp_path, *key, v) for key, v in VALUES.items()]
    tabulate(tmp_path, files)
    first = (tmp_path / "results.csv").read_bytes()
    tabulate(tmp_path, files[::-1])
    assert (tmp_path / "results.csv").read_bytes() == first


def test_refusals(tmp_path):
    a = write(tmp_path, "jpq", "M=2", 2, [1.0, 0.5])
    with pytest.raises(InputError, match="1 per-query files but 2 meta files"):
        results([a[0]], [a[1], a[1]], tmp_path / "r.csv", 10, 0)
    with pytest.raises(InputError, match="was already given for test"):
        tabulate(tmp_path, [a, a])
    with pytest.raises(InputError, match="its queries differ"):
        tabulate(tmp_path, [a, write(tmp_path, "opq", "M=2", 2, [1.0])])
    a[1].write_text("{}")
    with pytest.raises(InputError, match="'dataset' is missing"):
        tabulate(tmp_path, [a])


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
