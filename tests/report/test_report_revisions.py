"""`jointir compare`: two commits of a small repository whose differences are known."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from conftest import ENV
from jointir.basics.errors import InputError
from jointir.measure.significance import holm
from jointir.report.revisions import (
    compare,
    differing_metrics,
    differing_params,
    open_revision,
    params_of,
)

Q = 60
RNG = np.random.default_rng(0)
BEFORE = {m: RNG.random(Q) for m in ("RR@10", "R@100")}
AFTER = BEFORE | {"RR@10": BEFORE["RR@10"] + 0.2 * RNG.random(Q)}


def tool(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, env=ENV, check=True, capture_output=True)


def measured(folder: Path, system: str, values: dict[str, np.ndarray]) -> None:
    path = folder / f"data/toy/measures/{system}/M16/test.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(f"q{i:02d}", m, x) for m, own in values.items() for i, x in enumerate(own)]
    pd.DataFrame(rows, columns=["query_id", "measure", "value"]).to_parquet(path)
    tool(folder, sys.executable, "-m", "dvc", "add", "-q", str(path.relative_to(folder)))


def commit(folder: Path) -> None:
    tool(folder, "git", "add", "-A")
    tool(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x")


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """Two commits: jpq gets better, opq is the same, lsh is new, two params change."""
    folder = tmp_path_factory.mktemp("repository")
    tool(folder, "git", "init", "-q")
    tool(folder, sys.executable, "-m", "dvc", "init", "-q")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "params").mkdir()
    (folder / "params/systems.yaml").write_text("jpq: {lr: 1.0, steps: 3}\nold: 1\n")
    measured(folder, "jpq", BEFORE)
    measured(folder, "opq", BEFORE)
    commit(folder)
    (folder / "params/systems.yaml").write_text("jpq: {lr: 2.0, steps: 3}\n")
    measured(folder, "jpq", AFTER)
    measured(folder, "lsh", BEFORE)
    commit(folder)
    return folder


def test_what_differs_is_printed_and_nothing_else(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    compare("HEAD~1", "HEAD")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["jpq.lr", "1.0", "2.0"] in lines and ["old", "1", "-"] in lines
    assert not [line for line in lines if "jpq.steps" in line or "opq" in line or "R@100" in line]
    p = ttest_rel(BEFORE["RR@10"], AFTER["RR@10"]).pvalue
    a, b = BEFORE["RR@10"].mean(), AFTER["RR@10"].mean()
    expected = ["toy", "jpq", "M16", "MRR@10", f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}", f"{p:.2g}"]
    assert expected in lines
    assert lines[-1] == ["only", "B", "holds", "toy/lsh:", "1", "setting"]


def test_the_workspace_is_a_side_too_and_equal_sides_say_so(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    compare("HEAD")
    text = capsys.readouterr().out
    assert "no param differs" in text and "no metric of the test split differs" in text


def test_p_values_are_corrected_over_all_rows():
    keys = [("d", system, "M16") for system in "abc"]
    before = {key: pd.DataFrame({"RR@10": BEFORE["RR@10"]}) for key in keys}
    shifts = (0.3, 0.05, 0.02)
    noise = RNG.normal(size=(3, Q)) * 0.1
    after = {
        key: own + shift + noise[i].reshape(-1, 1)
        for i, (shift, (key, own)) in enumerate(zip(shifts, before.items(), strict=True))
    }
    found = differing_metrics(before, after)
    raw = [ttest_rel(before[key]["RR@10"], after[key]["RR@10"]).pvalue for key in keys]
    assert found["p_holm"].tolist() == pytest.approx(holm(np.array(raw)).tolist())
    assert found["difference"].tolist() == pytest.approx(
        [shift + own.mean() for shift, own in zip(shifts, noise, strict=True)]
    )


def test_params_in_one_side_alone(repository, monkeypatch):
    monkeypatch.chdir(repository)
    with open_revision("HEAD") as files:
        assert params_of(files) == {"jpq.lr": 2.0, "jpq.steps": 3}
    found = differing_params({"a": 1, "b": [1]}, {"b": [2], "c": 3})
    assert found.to_numpy().tolist() == [["a", 1, "-"], ["b", [1], [2]], ["c", "-", 3]]


def test_other_queries_and_unknown_revisions_are_named(repository, monkeypatch, tmp_path):
    one = {("d", "jpq", "M16"): pd.DataFrame({"R@1": [1.0]}, index=["q1"])}
    two = {("d", "jpq", "M16"): pd.DataFrame({"R@1": [1.0]}, index=["q2"])}
    with pytest.raises(InputError, match="d/jpq/M16: A and B have other queries"):
        differing_metrics(one, two)
    monkeypatch.chdir(repository)
    with pytest.raises(InputError, match=r"nosuch: cannot be read here .*Name a commit"):
        compare("nosuch")
    with pytest.raises(InputError, match="HEAD: holds no values of the split 'dev'"):
        compare("HEAD", split="dev")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not a git repository"):
        compare("HEAD")
