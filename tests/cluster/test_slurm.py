"""The `ci` preset through DVC on a real Slurm of two nodes, disturbed as jobs on clusters are.

Of the preset, what figure 4 needs of OPQ and JPQ at M = 16: every kind of job, but each once. While
it runs, `gather` fails once, STAR's job is cancelled, and a node is drained.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cluster.sandbox import Sandbox, why_not
from conftest import ENV, clone, configure, run
from faults.part import OVERLAY

PROFILE = "profiles/slurm/profile.yaml"
FAILS_ONCE = """#!/bin/sh
if [ "$1" = gather ] && mkdir '{marker}' 2>/dev/null; then
    echo "a failure that passes" >&2
    exit 1
fi
exec '{jointir}' "$@"
"""
# By itself the executor waits 10 s longer each time before it asks for its jobs, so that one of 2 s
# has ended for it after 16 s, and one of 20 s after 39 s. Of this run that would be half the time.
ASK_OFTEN = """
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 3, lambda self, value: None)
"""
POLL = 1  # seconds
LIMIT = 1200  # seconds


@dataclass(frozen=True)
class Job:
    """What Slurm tells of a job."""

    id: str
    state: str
    node: str
    started: str
    rule: str

    @staticmethod
    def all_of(cluster: Sandbox) -> list["Job"]:
        """Return all jobs, also those that ended."""
        told = cluster.ask("squeue", "-ht", "all", "-o", "%i|%T|%N|%S|%k")
        return [Job(*line.split("|")) for line in told.splitlines()]


@dataclass(frozen=True)
class Finished:
    """A run that went through all of it."""

    folder: Path
    jobs: list[Job]
    cancelled: str
    drained: str
    drained_at: str


def _prepare(folder: Path) -> dict[str, str]:
    """Make `folder` a project to run on small nodes; return the environment to run it in."""
    clone(folder)
    with (folder / "Snakefile").open("a") as snakefile:
        snakefile.write(ASK_OFTEN)
    configure(folder, OVERLAY)
    profile = yaml.safe_load((folder / PROFILE).read_text())
    del profile["set-threads"]  # for nodes of more than two cores
    profile["latency-wait"] = 10
    (folder / PROFILE).write_text(yaml.safe_dump(profile))
    shim = folder / "shim/jointir"
    shim.parent.mkdir()
    jointir = Path(sys.executable).parent / "jointir"
    shim.write_text(FAILS_ONCE.format(marker=folder / "gather-failed", jointir=jointir))
    shim.chmod(0o755)
    path = f"{shim.parent}{os.pathsep}{ENV['PATH']}"
    sources = str(folder / "src")
    return ENV | {"PATH": path, "PYTHONPATH": sources, "SNAKEMAKE_PROFILE": "profiles/slurm"}


def _await(cluster: Sandbox, rule: str, process: subprocess.Popen) -> Job:
    """Return the job of a rule as soon as it runs."""
    limit = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < limit:
        for job in Job.all_of(cluster):
            if job.state == "RUNNING" and job.rule.startswith(f"rule_{rule}_"):
                return job
        time.sleep(POLL)
    raise AssertionError(f"no job of rule {rule}: the run ended with {process.poll()}")


def _disturbed(cluster: Sandbox, folder: Path, env: dict[str, str]) -> Finished:
    log = folder / "dvc.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["dvc", "repro", "report"], cwd=folder, env=env, stdout=out, stderr=out
        )
        try:
            cancelled = _await(cluster, "star", process).id
            cluster.ask("scancel", cancelled)
            again = _await(cluster, "star", process)
            drain = ["scontrol", "update", f"NodeName={again.node}", "State=DRAIN", "Reason=test"]
            cluster.ask(*drain)
            at = time.strftime("%Y-%m-%dT%H:%M:%S")
            process.wait(LIMIT)
        finally:
            process.kill()
    assert process.returncode == 0, log.read_text()[-8000:]
    return Finished(folder, Job.all_of(cluster), cancelled, again.node, at)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Iterator[Finished]:
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm") / "project"
    env = _prepare(folder)
    with Sandbox(nodes=2, cpus=2, memory=8000) as cluster:
        yield _disturbed(cluster, folder, env)


def of_rule(jobs: list[Job], rule: str) -> list[Job]:
    return [job for job in jobs if job.rule.startswith(f"rule_{rule}_")]


def test_all_artifacts_are_there_and_dvc_agrees(finished):
    status = run("dvc", "status", "--json", "--with-deps", "report", cwd=finished.folder)
    assert json.loads(status) == {}
    assert (finished.folder / "reports/figure4.pdf").stat().st_size > 5000


def test_heavy_stages_are_jobs_and_downloads_are_not(finished):
    rules = {"embed_documents": 2, "build": 1, "jpq": 1}  # two shards
    assert {rule: len(of_rule(finished.jobs, rule)) for rule in rules} == rules
    for local in ("download", "corpus", "checkpoint"):
        assert of_rule(finished.jobs, local) == []


def test_a_job_that_failed_once_was_retried(finished):
    assert (finished.folder / "gather-failed").is_dir()
    states = sorted(job.state for job in of_rule(finished.jobs, "gather"))
    assert states == ["COMPLETED", "FAILED"]


def test_a_cancelled_job_was_submitted_again(finished):
    states = {job.id: job.state for job in of_rule(finished.jobs, "star")}
    assert states.pop(finished.cancelled) == "CANCELLED"
    assert list(states.values()) == ["COMPLETED"]


def test_after_a_node_was_drained_the_other_did_the_rest(finished):
    later = [job for job in finished.jobs if job.started > finished.drained_at]
    assert of_rule(later, "jpq")
    assert {job.node for job in later} == {"n1", "n2"} - {finished.drained}


def test_the_numbers_are_those_of_an_undisturbed_run_without_slurm(finished, pipeline):
    file = "reports/metrics/effectiveness.json"
    ours = json.loads((finished.folder / file).read_text())["apidocs-ci"]
    alone = json.loads((pipeline.folder / file).read_text())["apidocs-ci"]
    assert ours["jpq"].keys() == {"M=16"}
    for system in ("jpq", "opq"):
        assert ours[system]["M=16"] == alone[system]["M=16"]
    assert ours["brute-force"] == alone["brute-force"]
