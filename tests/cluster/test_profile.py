"""What profiles/slurm asks for, against the rules and their code. Needs no Slurm."""

import re
import sys
from pathlib import Path

import yaml

from conftest import CI, ROOT, clone, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag


def of_report(path: str) -> bool:
    """Return whether a file is a table or a figure, or the flag of one."""
    return path.startswith("reports/") or path.endswith(".made")


def test_a_cluster_is_told_what_every_job_needs(monkeypatch):
    """Whatever uses a GPU where there is one asks for it; downloads and reports are no jobs."""
    monkeypatch.chdir(ROOT)
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    jobs = {job.rule.name: job for mine in dvc_dag.load().jobs.values() for job in mine}
    local = {name for name in jobs if name in jobs[name].rule.workflow._localrules}
    reports = {name for name in jobs if all(map(of_report, jobs[name].output))}
    assert {"figure4", "results", "groups", "asi_results"} <= reports
    seconds = {"fits", "measure", "measure_baseline", "cold_start"}
    assert local == {"download", "corpus", "checkpoint"} | seconds | reports - {"scaling"}
    on_device = re.compile(r"(?<!def )best_device\(\)|place\(\)\.device")
    gpu = {
        name
        for name, job in jobs.items()
        if any(
            on_device.search(Path(i).read_text()) for i in map(str, job.input) if i[-3:] == ".py"
        )
    }
    asked = {name for name, own in profile["set-resources"].items() if own.get("gpu") == 1}
    assert asked == gpu - local
    assert profile["set-threads"].keys() <= jobs.keys()
    for rule in jobs["jpq"].rule.workflow.rules:  # those too that this DAG does not have
        if rule.shellcmd:
            assert {"mem_mb", "runtime"} <= rule.resources.keys(), rule.name


def test_a_job_asks_for_memory_by_what_its_inputs_hold(tmp_path):
    """Retrieval has the index in memory, 1.5 times while it is read; unknown until there is one."""
    folder = clone(tmp_path / "project")
    index = folder / "data/apidocs-ci/systems/opq/M16/index.faiss"

    def asked() -> str:
        target = "data/apidocs-ci/runs/opq/M16/meta.json"
        text = run("snakemake", "-n", "--configfile", CI, "--", target, cwd=folder)
        return re.search(r"rule retrieve:.*?mem_mb=([^,]*),", text, re.DOTALL)[1]

    assert asked() == "<TBD>"
    index.parent.mkdir(parents=True)
    with index.open("wb") as f:
        f.truncate(2 * 10**9)  # sparse
    assert asked() == "7000"
