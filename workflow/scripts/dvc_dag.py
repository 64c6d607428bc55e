"""What DVC is told of Snakemake's DAG: the jobs of each stage, and what they make and read."""

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from snakemake.api import SnakemakeApi
from snakemake.io import is_flagged
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

from jointir.methods.known import facts
from jointir.search.ann import registry

sys.path.insert(0, str(Path(__file__).parents[2]))
from workflow.plan import given  # these are the Snakefile's own modules
from workflow.plan.settings import user_folders
from workflow.plan.stages import models
from workflow.scripts.reads import Reads, by_job, dotted, recorded

EXTRA = {name for name, own in facts().items() if own.library}  # their library is in the extra


class Dag(NamedTuple):
    """What the bridge needs of a workflow, for the params of this folder."""

    jobs: dict[str, list]  # stage -> its Snakemake jobs
    reads: Reads  # which params each rule reads
    optional: set[str]  # files that only machines with the extra `ann` make: DVC tracks none
    folders: list[str]  # of the user's that are read
    says: dict[str, str]  # stage -> what it leaves, in one line
    models: dict[str, dict]  # DVC's artifacts


@contextlib.contextmanager
def all_libraries() -> Iterator[None]:
    """Let no library be missing: dvc.yaml is the same whatever is installed here."""
    with patch.object(registry, "missing", lambda method: ""):
        yield


def load(overrides: dict | None = None, targets: Iterable[str] = ("all",)) -> Dag:
    """Return the whole DAG, of all libraries; `overrides` are merged into params/*.yaml.

    targets: rules; of others than `all`, the jobs that these need.
    """
    quiet = OutputSettings(quiet={Quietness.ALL})
    with all_libraries(), recorded() as reads, SnakemakeApi(quiet) as api:
        config = ConfigSettings(config=overrides or {})
        handle = api.workflow(ResourceSettings(cores=1), config, snakefile=Path("Snakefile"))
        with contextlib.redirect_stdout(io.StringIO()):  # the one call that builds and runs nothing
            handle.dag(DAGSettings(targets=set(targets), forceall=True)).printd3dag()
        workflow = handle._workflow  # private: the lock file pins snakemake
        stages = workflow.globals["STAGES"]
        wanted = {
            name: [str(i) for i in workflow.get_rule(f"stage_{name}").input] for name in stages
        }
        jobs = [job for job in workflow.dag.jobs if job.output]
        methods = given.systems.methods
        optional = {
            o
            for job in jobs
            if methods.get(job.wildcards_dict.get("system")) in EXTRA
            for o in map(str, job.output)
        }
        says = {name: stage.says for name, stage in stages.items()}
        told = (user_folders(), says, models())
        return Dag(assign(wanted, jobs), reads, optional, *told)


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
        sys.exit(f"workflow/plan/stages.py: no stage makes {rules}: add their outputs to one")
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
