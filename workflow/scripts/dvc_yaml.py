"""dvc.yaml, derived from Snakemake's DAG: a stage for each of `all_stages` in plan/stages.py."""

import functools
from pathlib import Path

import yaml
from dvc_dag import Dag, inputs, outputs, params_of
from folders import cover, holder, package

BRIDGE = "python workflow/scripts/dvc_bridge.py"
HEADER = f"# Written by `{BRIDGE} write` from Snakemake's DAG: do not edit.\n"
WIDTH = 120


class Flow(list):
    """A list that YAML writes in as few lines as it takes."""


class Dumper(yaml.SafeDumper):
    """Writes a Flow so."""


Dumper.add_representer(
    Flow, lambda dumper, own: dumper.represent_sequence("tag:yaml.org,2002:seq", own, True)
)


@functools.cache
def params() -> dict[str, dict]:
    """Return {file: what is in it} of params/."""
    files = sorted(Path("params").glob("*.yaml"))
    return {str(path): yaml.safe_load(path.read_text()) for path in files}


def entries(keys: list[str], tree: dict, path: tuple = ()) -> list[str]:
    """Return dotted params keys; those that are all that an entry has are named by the entry.

    A list of entries, such as `systems`, is none: others may be added to it.
    """
    found = []
    for name, value in tree.items():
        own = (*path, name)
        dotted = ".".join(own)
        if dotted in keys or not isinstance(value, dict):
            found += [dotted] if dotted in keys else []
            continue
        below = entries(keys, value, own)
        whole = len(below) > 1 and below == [f"{dotted}.{key}" for key in value]
        listed = all(isinstance(each, dict) for each in value.values())
        found += [dotted] if whole and not listed else below
    return found


def param_files(keys: list[str]) -> list[dict[str, list[str]]]:
    """Group dotted params keys by the file under params/ that they are in."""
    grouped = {file: entries(keys, tree) for file, tree in params().items()}
    return [{file: names} for file, names in grouped.items() if names]


def out(path: str) -> dict:
    """Return DVC's entry of an output."""
    # persist: DVC would delete outputs before a stage, and one failed training would cost all
    # numbers and previews are small: in git, so that a clone shows the last results
    in_git = path.startswith("reports/") and not path.endswith(".pdf")
    return {path: {"persist": True} | ({"cache": False} if in_git else {})}


def outs(dag: Dag) -> dict[str, list[str]]:
    """Return what DVC tracks of each stage: folders that hold nothing of another stage.

    Nor what only some machines make. So files of another stage, or another machine, never change
    what DVC finds in them.
    """
    makes = {name: {str(o) for job in jobs for o in job.output} for name, jobs in dag.jobs.items()}
    found = {}
    for name, jobs in dag.jobs.items():
        others = set().union(dag.optional, *(m for other, m in makes.items() if other != name))
        found[name] = cover(set(outputs(jobs)) - dag.optional, others)
    return found


def stage(name: str, dag: Dag, tracked: dict[str, list[str]]) -> dict:
    """Return one DVC stage."""
    kept = [job for job in dag.jobs[name] if not dag.optional & set(map(str, job.output))]
    known = {path for own in tracked.values() for path in own}
    read = [path for path in inputs(kept, dag.folders) if path not in dag.optional]
    return {
        "desc": dag.says[name],
        "cmd": f"{BRIDGE} run {name}",
        "deps": sorted({package(holder(path, known)) for path in read} - set(tracked[name])),
        "params": param_files(params_of(name, dag)),
        "outs": Flow(out(path) for path in tracked[name]),
    }


def pipeline(dag: Dag) -> str:
    """Return the text of dvc.yaml."""
    tracked = outs(dag)
    made = [path for own in tracked.values() for path in own]
    results = "reports/tables/results.csv"
    plot = {"x": {results: "bytes_per_doc"}, "y": {results: "value"}, "template": "effectiveness"}
    content = {
        "stages": {name: stage(name, dag, tracked) for name, jobs in dag.jobs.items() if jobs},
        "params": list(params()),
        "metrics": sorted(path for path in made if path.startswith("reports/metrics/")),
        "plots": [{"effectiveness": plot}],  # drawn by .dvc/plots/effectiveness.json
        **({"artifacts": dag.models} if dag.models else {}),
    }
    how = {"sort_keys": False, "default_flow_style": None, "width": WIDTH}
    return HEADER + yaml.dump(content, Dumper=Dumper, **how)
