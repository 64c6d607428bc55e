"""What the jobs of each stage make and read: kept in a file, for a DAG takes seconds to build."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

KEPT = Path(".snakemake/dvc-stages.json")


class Job(NamedTuple):
    """A job of Snakemake, by its paths."""

    makes: list[str]
    reads: list[str]  # of other jobs; sources are left out


class Stage(NamedTuple):
    """A stage of DVC, by the jobs that Snakemake runs in it."""

    rules: list[str]
    jobs: list[Job]
    outputs: set[str]  # that stay, and that every machine makes
    passing: set[str]  # that Snakemake deletes again, or that few machines make

    def inputs(self) -> set[str]:
        """Return what the jobs read of other stages."""
        made = {path for job in self.jobs for path in job.makes}
        return {path for job in self.jobs for path in job.reads} - made


def derived_from() -> str:
    """Return a hash over dvc.yaml and all that it is derived from."""
    folders = (Path("params").glob("*.yaml"), Path("workflow").rglob("*"), Path("src").rglob("*"))
    files = {p for found in folders for p in found if p.suffix in (".py", ".smk", ".yaml")}
    digest = hashlib.sha256()
    files |= {path for path in map(Path, ("dvc.yaml", "Snakefile")) if path.exists()}
    for path in sorted(files):
        digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def kept() -> dict[str, Stage] | None:
    """Return the stages, or None where dvc.yaml or what it is derived from has changed since."""
    try:
        found = json.loads(KEPT.read_text())
    except (OSError, ValueError):
        return None
    if found["derived_from"] != derived_from():
        return None
    return {name: _stage(own) for name, own in found["stages"].items()}


def _stage(own: dict) -> Stage:
    jobs = [Job(*job) for job in own["jobs"]]
    return Stage(own["rules"], jobs, set(own["outputs"]), set(own["passing"]))


def keep(dag) -> dict[str, Stage]:
    """Write down the stages of a Dag (dvc_dag.py), and return them."""
    from dvc_dag import outputs

    everything = {str(o) for jobs in dag.jobs.values() for job in jobs for o in job.output}
    found = {}
    for name, jobs in dag.jobs.items():
        paths = [
            Job(list(map(str, job.output)), sorted(everything.intersection(map(str, job.input))))
            for job in jobs
        ]
        stay = set(outputs(jobs)) - dag.optional
        passing = {path for job in paths for path in job.makes} - stay
        found[name] = Stage(sorted({job.rule.name for job in jobs}), paths, stay, passing)
    KEPT.parent.mkdir(exist_ok=True)
    stages = {
        name: own._asdict() | {"outputs": sorted(own.outputs), "passing": sorted(own.passing)}
        for name, own in found.items()
    }
    scratch = KEPT.with_suffix(".tmp")
    scratch.write_text(json.dumps({"derived_from": derived_from(), "stages": stages}))
    scratch.replace(KEPT)
    return found
