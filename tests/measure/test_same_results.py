"""The comparison of two runs' values finds what was changed, and nothing else."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import same_results

MEASURED = "data/d/measures/jpq/M16/test.parquet"
GENERATED = "data/d/generative/asi/seed1/values.parquet"


def write(folder: Path, value: float = 0.5, query: str = "q2") -> Path:
    """Write a run of two queries and one of a generative model; `value` is of the second query."""
    rows = [("q1", "RR@10", 0.25), (query, "RR@10", value)]
    for name in (MEASURED, GENERATED):
        (folder / name).parent.mkdir(parents=True)
        frame = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
        frame.to_parquet(folder / name)
    return folder


def test_the_same_values_in_another_order_are_the_same(tmp_path, capsys):
    a, b = write(tmp_path / "a"), write(tmp_path / "b")
    pd.read_parquet(b / MEASURED)[::-1].to_parquet(b / MEASURED)
    assert same_results.main(a, b) == 0
    assert "2 files in both folders, 0 differences" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"value": 0.5 + 1e-9}, "1 of 2 values differ, by 1e-09 at most"),
        ({"query": "q3"}, "2 rows are in one of the two alone"),
    ],
)
def test_every_change_is_told(tmp_path, capsys, changed, told):
    assert same_results.main(write(tmp_path / "a"), write(tmp_path / "b", **changed)) == 1
    out = capsys.readouterr().out
    assert f"{MEASURED}: {told}" in out and f"{GENERATED}: {told}" in out


def test_a_missing_run_is_told_and_nothing_is_not_the_same(tmp_path, capsys):
    a, b = write(tmp_path / "a"), write(tmp_path / "b")
    (b / MEASURED).unlink()
    assert same_results.main(a, b) == 1
    assert f"{MEASURED}: only in {a}" in capsys.readouterr().out
    assert same_results.main(tmp_path / "none", tmp_path / "nothing") == 1
