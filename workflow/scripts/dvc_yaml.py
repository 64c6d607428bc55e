"""dvc.yaml, derived from Snakemake's DAG: a stage for each key of STAGES in stages.smk."""

import contextlib
import functools
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from snakemake.api import SnakemakeApi
from snakemake.io import is_flagged
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

from jointir.search.ann import registry

sys.path.insert(0, str(Path(__file__).parents[2]))
from workflow.scripts.reads import Reads, by_job, dotted, recorded  # the Snakefile's own module

BRIDGE = "python workflow/scripts/dvc_bridge.py"
EXTRA = set(registry.LIBRARIES)  # methods whose library is in the extra `ann`
HEADER = f"# Written by `{BRIDGE} write` from Snakemake's DAG: do not edit.\n"


class Dag(NamedTuple):
    """What the bridge needs of a workflow, for the params of this folder."""

    jobs: dict[str, list]  # stage -> its Snakemake jobs
    reads: Reads  # which params each rule reads
    optional: set[str]  # files that only machines with the extra `ann` make: DVC tracks none
    folders: list[str]  # of the user's that are read


@contextlib.contextmanager
def all_libraries() -> Iterator[None]:
    """Let no library be missing: dvc.yaml is the same whatever is installed here."""
    kept = dict(registry.LIBRARIES)
    registry.LIBRARIES.clear()
    try:
        yield
    finally:
        registry.LIBRARIES.update(kept)


def load(overrides: dict | None = None) -> Dag:
    """Return the whole DAG, of all libraries; `overrides` are merged into params/*.yaml."""
    quiet = OutputSettings(quiet={Quietness.ALL})
    with all_libraries(), recorded() as reads, SnakemakeApi(quiet) as api:
        config = ConfigSettings(config=overrides or {})
        handle = api.workflow(ResourceSettings(cores=1), config, snakefile=Path("Snakefile"))
        with contextlib.redirect_stdout(io.StringIO()):  # the one call that builds and runs nothing
            handle.dag(DAGSettings(targets={"all"}, forceall=True)).printd3dag()
        workflow = handle._workflow  # private: the lock file pins snakemake
        targets = {
            rule.name.removeprefix("stage_"): [str(i) for i in rule.input]
            for rule in workflow.rules
            if rule.name.startswith("stage_")
        }
        jobs = [job for job in workflow.dag.jobs if job.output]
        methods = workflow.globals["SYSTEMS"].methods
        optional = {
            o
            for job in jobs
            if methods.get(job.wildcards_dict.get("system")) in EXTRA
            for o in map(str, job.output)
        }
        folders = workflow.globals["user_folders"]()
        return Dag(assign(targets, jobs), reads, optional, folders)


def params_of(name: str, dag: Dag) -> list[str]:
    """Return the params that a stage's rules and jobs read, and those that belong to no rule."""
    found = dag.reads.of_none | dag.reads.of_rule[f"stage_{name}"]
    for job in dag.jobs[name]:
        found |= dag.reads.of_rule[job.rule.name] | by_job(job)
    return dotted(found)


def assign(targets: dict[str, list[str]], jobs: list) -> dict[str, list]:
    """Give each job to the first stage that needs it."""
    maker = {str(o): job for job in jobs for o in job.output}
    left, found = set(jobs), {}
    for stage, todo in targets.items():
        found[stage], todo = [], list(todo)
        while todo:
            job = maker.get(todo.pop())
            if job in left:
                left.remove(job)
                found[stage].append(job)
                todo += map(str, job.input)
    if left:
        rules = sorted({job.rule.name for job in left})
        sys.exit(f"workflow/rules/stages.smk: no stage makes {rules}: add their outputs to STAGES")
    return found


def outputs(jobs: list) -> list[str]:
    """Return the files and folders that stay; Snakemake deletes those marked temp()."""
    return sorted(str(o) for job in jobs for o in job.output if not is_flagged(o, "temp"))


def inputs(jobs: list, folders: list[str]) -> list[str]:
    """Return what the jobs read and do not make: other stages' outputs, sources, code.

    In place of a user's files, the folder that they are in: a file that is added counts too.
    """
    made = {str(o) for job in jobs for o in job.output}
    read = {str(i) for job in jobs for i in job.input} - made
    homes = {path: f for path in read for f in folders if Path(f) in Path(path).parents}
    # DVC hashes no folder that is a link within a folder: what it leads to is named as well
    linked = {
        str(Path(path).resolve().parent)
        for path, home in homes.items()
        if Path(home).resolve() not in Path(path).resolve().parents
    }
    return sorted({homes.get(path, path) for path in read} | linked)


@functools.cache
def param_homes() -> dict[str, str]:
    """Return the file under params/ that each top-level key is in."""
    return {
        key: str(path)
        for path in sorted(Path("params").glob("*.yaml"))
        for key in yaml.safe_load(path.read_text())
    }


def param_files(keys: list[str]) -> list[dict[str, list[str]]]:
    """Group dotted params keys by the file under params/ that their top-level key is in."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        grouped.setdefault(param_homes()[key.split(".")[0]], []).append(key)
    return [{file: names} for file, names in sorted(grouped.items())]


def out(path: str) -> dict:
    """Return DVC's entry of an output."""
    # persist: DVC would delete outputs before a stage, and one failed training would cost all
    # numbers and previews are small: in git, so that a clone shows the last results
    in_git = path.startswith("reports/") and not path.endswith(".pdf")
    return {path: {"persist": True} | ({"cache": False} if in_git else {})}


def stage(name: str, dag: Dag) -> dict:
    """Return one DVC stage: first distrust what is there, then let Snakemake do what is missing."""
    jobs = dag.jobs[name]
    rules = " ".join(sorted({job.rule.name for job in jobs}))
    kept = [job for job in jobs if not dag.optional & set(map(str, job.output))]
    return {
        "cmd": [
            f"{BRIDGE} clean {name}",
            f"snakemake --allowed-rules stage_{name} {rules} -- stage_{name}",
        ],
        "deps": [path for path in inputs(kept, dag.folders) if path not in dag.optional],
        "params": param_files(params_of(name, dag)),
        "outs": [out(path) for path in outputs(kept)],
    }


def pipeline() -> str:
    """Return the text of dvc.yaml."""
    dag = load()
    made = [path for jobs in dag.jobs.values() for path in outputs(jobs)]
    results = "reports/tables/results.csv"
    plot = {"x": {results: "bytes_per_doc"}, "y": {results: "value"}, "template": "effectiveness"}
    content = {
        "stages": {name: stage(name, dag) for name, jobs in dag.jobs.items() if jobs},
        "metrics": sorted(path for path in made if path.startswith("reports/metrics/")),
        "plots": [{"effectiveness": plot}],  # drawn by .dvc/plots/effectiveness.json
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=1000)
