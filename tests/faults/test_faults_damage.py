"""A flipped bit or a lost byte in the artifacts of every DVC stage: found by hash, made anew."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import bridge, configure, edit_params, run
from faults.harm import flip, largest, truncate, under_its_old_time
from faults.part import DATA, OVERLAY, hashes, kill, start, told, until

REPRO = ("dvc", "repro", "report")
STAGES = ["corpus", "download", "jpq", "measure", "opq", "pretrained", "report", "search", "star"]
STAGES += ["tune"]
RUN = DATA / "runs/jpq/M16/test.trec.gz"


@pytest.fixture(scope="module")
def adopted(faultless, tmp_path_factory) -> Path:
    """Return the undisturbed part, adopted by `dvc repro`."""
    folder = tmp_path_factory.mktemp("damage") / "adopted"
    run("cp", "-a", faultless, folder, cwd=faultless)
    configure(folder, OVERLAY)
    assert run(*REPRO, cwd=folder).count("Nothing to be done") == len(STAGES)
    return folder


@pytest.fixture
def folder(adopted, tmp_path) -> Path:
    """Return a copy of the adopted part, which DVC has read once: it knows the hashes."""
    run("cp", "-a", adopted, tmp_path / "run", cwd=tmp_path)
    assert "up to date" in run(*REPRO, cwd=tmp_path / "run")
    return tmp_path / "run"


def artifacts(folder: Path) -> dict[str, Path]:
    """Return the largest artifact of each stage."""
    locked = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return {name: largest(folder, [o["path"] for o in s["outs"]]) for name, s in locked.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm", [flip, truncate, partial(under_its_old_time, truncate)], ids=["flip", "cut", "cut-old"]
)
def test_damage_in_every_stage_is_mended_by_dvc_repro(folder, expected, harm):
    harmed = artifacts(folder)
    assert sorted(harmed) == STAGES
    for path in harmed.values():
        harm(path)
    run(*REPRO, cwd=folder)
    assert hashes(folder) == expected


@pytest.mark.slow
def test_damage_under_an_old_time_is_found_by_verify(folder, expected):
    harmed = artifacts(folder)
    for path in harmed.values():
        under_its_old_time(flip, path)
    assert "up to date" in run(*REPRO, cwd=folder), "DVC alone looks at times"
    text = bridge("verify", folder, ok=False)
    assert text.count("deleted, its bytes are not what DVC hashed") == len(STAGES)
    run(*REPRO, cwd=folder)
    assert hashes(folder) == expected


@pytest.mark.slow
def test_damage_under_an_old_time_is_found_before_it_is_read(folder):
    table = folder / "reports/tables/results.csv"
    old = pd.read_csv(table)
    under_its_old_time(flip, folder / RUN)
    edit_params(folder, {"measure": {"measures": ["RR@10", "R@100"]}})
    text = run(*REPRO, cwd=folder, ok=False)
    assert f"deleted, its bytes are not what DVC hashed, though its time is: {RUN}" in text
    assert "what this stage reads was damaged: run `dvc repro` again" in text
    run(*REPRO, cwd=folder)
    kept = old[old["measure"].isin(["MRR@10", "R@100"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(table), kept)


@pytest.mark.slow
def test_a_killed_dvc_repro_goes_on(folder, expected):
    """As it begins a stage, and in the middle of a job: the same command again."""
    for path in [folder / "data/apidocs-ci/runs/opq/M16/dev.trec.gz", folder / RUN]:
        path.unlink()
    for moment in ("dvc_bridge.py run search", "rule retrieve:"):
        process = start(folder, *REPRO)
        until(lambda said=moment: said in told(folder), process, folder)
        kill(process, folder)
    run(*REPRO, cwd=folder)
    assert hashes(folder) == expected
