"""DVC and Snakemake stay in step, on copies of one real run (params/presets/ci.yaml)."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import ENV, bridge, commit, configure, edit_params, run
from documented import OF_DVC, commands, do, prepare, shorter
from faults.harm import flip, largest, truncate, under_its_old_time

DATA = "data/apidocs-ci"
METRICS = "reports/metrics/effectiveness.json"


def mtimes(folder: Path, pattern: str) -> dict[str, int]:
    """Return when each file that `pattern` matches was written."""
    files = [p for p in folder.glob(pattern) if p.is_file()]
    assert files, pattern
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in files}


def copy(of: Path, to: Path) -> Path:
    """Copy a folder, times included: Snakemake and DVC look at them."""
    run("cp", "-a", of, to, cwd=of)
    return to


def metrics(folder: Path) -> dict:
    """Return {system: {setting: {measure: value}}}."""
    return json.loads((folder / METRICS).read_text())["apidocs-ci"]


def idle(folder: Path) -> None:
    """Check that neither tool wants to do anything."""
    assert json.loads(run("dvc", "status", "--json", cwd=folder)) == {}
    assert "Nothing to be done" in run("snakemake", "-n", cwd=folder)


@pytest.fixture(scope="module")
def adopted(pipeline, large) -> Path:
    """Return the run, its overlay made the params, known to git, and adopted by `dvc repro`."""
    folder = copy(pipeline.folder, large / "adopted")
    configure(folder)
    commit(folder)
    before = mtimes(folder, f"{DATA}/**/*")
    log = run("dvc", "repro", cwd=folder)
    assert log.count("Nothing to be done") == len(
        yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    )
    assert mtimes(folder, f"{DATA}/**/*") == before, "adopted, not made again"
    commit(folder)
    return folder


def test_after_snakemake_dvc_has_nothing_to_do_and_the_other_way_round(adopted):
    idle(adopted)
    log = run("dvc", "repro", cwd=adopted)
    assert "Running stage" not in log and "up to date" in log


def test_git_holds_the_numbers_and_dvc_the_rest(adopted):
    tracked = set(run("git", "ls-files", cwd=adopted).split())
    assert {METRICS, "reports/tables/results.csv", "dvc.lock", ".dvc/config"} <= tracked
    assert [p for p in tracked if p.startswith("data/") or p.endswith(".pdf")] == []


def test_damage_in_every_stage_is_found_by_hash(adopted, tmp_path):
    """Under a new time or another size DVC finds it; under the old ones, the bridge's `verify`."""
    folder = copy(adopted, tmp_path / "damaged")
    run("dvc", "status", cwd=folder)  # DVC has read this copy: it knows the hash of each file
    locked = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    outs = {stage: [o["path"] for o in own["outs"]] for stage, own in locked.items()}
    harmed = {stage: largest(folder, paths) for stage, paths in outs.items()}
    for path in harmed.values():
        under_its_old_time(flip, path)
    assert json.loads(run("dvc", "status", "--json", cwd=folder)) == {}, "DVC looks at times"
    told = bridge("verify", folder, ok=False)
    gone = {stage for stage, path in harmed.items() if not path.exists()}
    assert gone == set(outs) and told.count("deleted, its bytes are not") == len(outs)
    for path in harmed.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        run("cp", "-a", adopted / path.relative_to(folder), path, cwd=folder)
        under_its_old_time(truncate, path)
    found = json.loads(run("dvc", "status", "--json", cwd=folder))
    assert {stage for stage in outs if _changed(found.get(stage, []))} == set(outs)


def _changed(status: list) -> bool:
    return any("changed outs" in what for what in status if isinstance(what, dict))


def test_clone_pull_and_edit_trains_again(adopted, tmp_path):
    """The trap: models restored from the cache must not be locked with an edited parameter."""
    folder = copy(adopted, tmp_path / "clone")
    opq = mtimes(folder, f"{DATA}/systems/opq/**/*")
    shutil.rmtree(folder / ".snakemake")  # a fresh clone after dvc pull: files, no records
    old, results = metrics(folder), (folder / "reports/tables/results.csv").read_text()
    lr = 10 * yaml.safe_load((folder / "params/systems.yaml").read_text())["systems"]["dpq"]["lr"]
    edit_params(folder, {"systems": {"dpq": {"lr": lr}}})
    diff = json.loads(run("dvc", "params", "diff", "--json", cwd=folder))
    assert diff == {
        "params/systems.yaml": {"systems.dpq.lr": {"old": lr / 10, "new": lr, "diff": lr - lr / 10}}
    }
    run("dvc", "repro", "report", cwd=folder)  # not figure 5's timing, which would run again too
    new = metrics(folder)
    assert {s for s in old if old[s] != new[s]} == {"dpq"}
    assert mtimes(folder, f"{DATA}/systems/opq/**/*") == opq
    locked = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]["dpq"]
    assert (
        float(locked["params"]["params/systems.yaml"]["systems.dpq"]["lr"]) == lr
    )  # written as 5e-05
    assert json.loads(run("dvc", "status", "--json", "--with-deps", "report", cwd=folder)) == {}
    changed = json.loads(run("dvc", "metrics", "diff", "--json", cwd=folder))[METRICS]
    assert changed and all(key.startswith("apidocs-ci.dpq.") for key in changed)
    _restored(folder, results)


def _restored(folder: Path, results: str) -> None:
    """Go back to the committed state: `dvc checkout`, then the bridge's `sync`."""
    run("git", "checkout", "--quiet", ".", cwd=folder)
    run("dvc", "checkout", "--quiet", cwd=folder)
    assert (folder / "reports/tables/results.csv").read_text() == results
    bridge("sync", folder)
    idle(folder)


def failing(folder: Path) -> Path:
    """Return a folder with a `jointir` that cannot build PQ and OPQ at M = 24."""
    folder.mkdir()
    cases = " | ".join(f'"{method} "*"--M 24 "*' for method in ("opq", "pq"))
    jointir = Path(sys.executable).parent / "jointir"
    (folder / "jointir").write_text(
        f"""#!/bin/sh
case "$*" in {cases}) echo "a failure that passes" >&2; exit 1 ;; esac
exec '{jointir}' "$@"
"""
    )
    (folder / "jointir").chmod(0o755)
    return folder


def test_one_failed_training_costs_one(adopted, tmp_path, monkeypatch):
    folder = copy(adopted, tmp_path / "failed")
    kept = mtimes(folder, f"{DATA}/systems/[op]*q/M16/*")
    edit_params(folder, {"sweep": {"M": [16, 24]}})
    bridge("write", folder)
    with monkeypatch.context() as patch:
        patch.setitem(ENV, "PATH", f"{failing(tmp_path / 'bin')}:{ENV['PATH']}")
        log = run("dvc", "repro", "--keep-going", "opq", "pq", "lsh", cwd=folder, ok=False)
    assert log.count("a failure that passes") >= 2
    made = mtimes(folder, f"{DATA}/systems/lsh/M24/*")
    assert kept == mtimes(folder, f"{DATA}/systems/[op]*q/M16/*")
    assert made, "the other trainings went on"
    run("dvc", "repro", "opq", "pq", "lsh", cwd=folder)
    assert kept == mtimes(folder, f"{DATA}/systems/[op]*q/M16/*")
    assert len(mtimes(folder, f"{DATA}/systems/[op]*q/M24/*")) == 2


def test_an_experiment_changes_one_parameter_and_is_kept(adopted, tmp_path):
    folder = copy(adopted, tmp_path / "experiment")
    table, models = folder / "reports/tables/results.csv", mtimes(folder, f"{DATA}/systems/**/*")
    old = pd.read_csv(table)
    typo = "params/reports.yaml:results.smaples=150"
    refused = run("dvc", "exp", "run", "-S", typo, cwd=folder, ok=False)
    assert "Could not override 'results.smaples'" in refused
    change = "params/reports.yaml:results.samples=150"
    run("dvc", "exp", "run", "--name", "fewer-samples", "-S", change, "report", cwd=folder)
    new = pd.read_csv(table)
    assert new["value"].equals(old["value"]) and not new["low"].equals(old["low"])
    assert mtimes(folder, f"{DATA}/systems/**/*") == models
    assert "fewer-samples" in run("dvc", "exp", "list", "--name-only", cwd=folder)
    text = run(sys.executable, "-m", "jointir", "compare", "HEAD", "fewer-samples", cwd=folder)
    assert "results.samples 1000 150" in " ".join(text.split())
    assert "no metric of the test split differs" in text


def test_the_commands_of_the_docs_run(adopted, tmp_path):
    """Literally and in their order; the experiment trains JPQ with the rate that DVC writes."""
    folder = copy(adopted, tmp_path / "docs")
    prepare(folder)
    commit(folder)
    asked = [c for c in commands() if OF_DVC.search(c)]
    told = {c: do(shorter(c), folder) for c in asked}
    assert len(told) == len(asked) > 8
    (experiment,) = (c for c in asked if "dvc exp run" in c)
    assert "jpq.lr=1e-5" in experiment and "Ran experiment" in told[experiment]
    (compared,) = (text for c, text in told.items() if "jointir compare" in c)
    assert "jpq.lr 0.0001 0.00001" in " ".join(compared.split())
    assert "jpq" in compared.split("difference")[1], "metrics of JPQ differ"


def test_metrics_and_plots_are_shown(adopted):
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=adopted))
    assert shown[""]["data"][METRICS]["data"]["apidocs-ci"] == metrics(adopted)
    (plot,) = json.loads(run("dvc", "plots", "show", "--json", cwd=adopted))["data"][
        "effectiveness"
    ]
    drawn = json.loads(plot["content"]) if isinstance(plot["content"], str) else plot["content"]
    rows = drawn["data"]["values"]
    results = (adopted / "reports/tables/results.csv").read_text().splitlines()
    assert len(rows) == len(results) - 1
    x, y = (drawn["spec"]["encoding"][axis]["field"] for axis in "xy")
    assert (x, y) == ("bytes_per_doc", "value") and {x, y, "system", "split"} <= rows[0].keys()
