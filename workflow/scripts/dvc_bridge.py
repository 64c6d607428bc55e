"""Keep DVC and Snakemake in step.  python workflow/scripts/dvc_bridge.py CMD

write         derive dvc.yaml from the Snakemake DAG of params/*.yaml
check         exit 1 if dvc.yaml is stale
clean STAGE   (run by each DVC stage) delete outputs that Snakemake cannot vouch for, such as
              those put there by dvc checkout, pull or exp
sync          after dvc checkout or pull: let Snakemake accept the restored files

Snakemake's DAG is the only one written by hand. A DVC stage is made of each key of STAGES in
workflow/rules/stages.smk; its params are the keys in STAGE_PARAMS.
"""

import contextlib
import functools
import io
import json
import shutil
import subprocess
import sys
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

BRIDGE = "python workflow/scripts/dvc_bridge.py"
EXTRA = set(registry.LIBRARIES)  # systems whose library is in the extra `ann`
HEADER = f"# Written by `{BRIDGE} write` from Snakemake's DAG: do not edit.\n"


class Dag(NamedTuple):
    """What the bridge needs of a workflow, for the params of this folder."""

    jobs: dict[str, list]  # stage -> its Snakemake jobs
    params: dict[str, list[str]]  # stage -> the params keys it depends on, dotted
    optional: set[str]  # files that only machines with the extra `ann` make: DVC tracks none
    records: object  # Snakemake's own records of what made each file


def load(overrides: dict | None = None) -> Dag:
    """Return the whole DAG, of all libraries; `overrides` are merged into params/*.yaml."""
    registry.LIBRARIES.clear()  # dvc.yaml is the same whatever is installed here
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
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
        params = workflow.globals["STAGE_PARAMS"]
        optional = {
            o
            for job in jobs
            if job.wildcards_dict.get("system") in EXTRA
            for o in map(str, job.output)
        }
        return Dag(assign(targets, jobs), params, optional, workflow.persistence)


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


def inputs(jobs: list) -> list[str]:
    """Return what the jobs read and do not make: other stages' outputs, sources, code."""
    made = {str(o) for job in jobs for o in job.output}
    return sorted({str(i) for job in jobs for i in job.input} - made)


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


def stage(name: str, jobs: list, keys: list[str], optional: set[str]) -> dict:
    """Return one DVC stage: first distrust what is there, then let Snakemake do what is missing."""
    rules = " ".join(sorted({job.rule.name for job in jobs}))
    kept = [job for job in jobs if not optional & set(map(str, job.output))]
    return {
        "cmd": [
            f"{BRIDGE} clean {name}",
            f"snakemake --allowed-rules stage_{name} {rules} -- stage_{name}",
        ],
        "deps": [path for path in inputs(kept) if path not in optional],
        "params": param_files(keys),
        "outs": [out(path) for path in outputs(kept)],
    }


def pipeline() -> str:
    """Return the text of dvc.yaml."""
    dag = load()
    made = [path for jobs in dag.jobs.values() for path in outputs(jobs)]
    results = "reports/tables/results.csv"
    plot = {"x": {results: "bytes_per_doc"}, "y": {results: "value"}, "template": "effectiveness"}
    content = {
        "stages": {
            name: stage(name, jobs, dag.params[name], dag.optional)
            for name, jobs in dag.jobs.items()
            if jobs
        },
        "metrics": sorted(path for path in made if path.startswith("reports/metrics/")),
        "plots": [{"effectiveness": plot}],  # drawn by .dvc/plots/effectiveness.json
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=1000)


def trusted(path: Path, record) -> bool:
    """Return whether `path` is, to the millisecond, what the job in Snakemake's record wrote."""
    files = [f for f in path.rglob("*") if f.is_file()] if path.is_dir() else [path]
    newest = max((f.lstat().st_mtime for f in files), default=0)
    return record is not None and abs(newest - record.endtime) < 1e-3


def clean(name: str) -> None:
    """Delete the stage's outputs that have no matching record.

    Snakemake reruns a file whose params changed only if it has a record of the old ones. Without
    this, a fresh clone, `dvc pull`, an edited parameter and `dvc repro` would do nothing, and lock
    the new parameter with the old models.
    """
    dag = load()
    for o in (o for job in dag.jobs[name] for o in job.output):
        path = Path(o)
        if not path.exists() or dag.records._filter_incomplete_keys([str(o)]):
            continue  # what a killed job left is for snakemake --rerun-incomplete
        if not trusted(path, dag.records.metadata(o)):
            print("clean: not made by Snakemake here:", path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def sync() -> None:
    """Touch everything in the order of the DAG; DVC writes files back in any order."""
    done = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if done.returncode or json.loads(done.stdout):
        sys.exit(f"outputs do not match code and params: dvc repro\n{done.stdout}{done.stderr}")
    command = ["snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all"]
    subprocess.run(command, check=True)


def main(command: str, *arguments: str) -> None:
    """Run one command."""
    if command in ("clean", "sync"):
        return {"clean": clean, "sync": sync}[command](*arguments)
    path, text = Path("dvc.yaml"), pipeline()
    if command == "write":
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f"dvc.yaml is stale: {BRIDGE} write")


if __name__ == "__main__":
    main(*sys.argv[1:])
