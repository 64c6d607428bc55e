"""DVC knows every parameter that a stage depends on."""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from conftest import ROOT, bridge, clone, edit_params, merge, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_yaml


def leaves(tree: dict, path: tuple = ()) -> Iterator[tuple[tuple, object]]:
    """Yield the path and value of every parameter."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def another(path: tuple, value: object) -> object:
    """Return another value that the schema accepts."""
    known = {
        "requirements": "params/sources/apidocs-ci.txt",
        "checkpoint": "another/encoder",
        "query_prompt": "query: ",
        "document_prompt": "passage: ",
        "groups": "",  # a file that is not there is refused
        "sha256": "0" * 64,
        "dtype": "float32",
        "precision": "float32",
        "mined_from": "all",
        "M": [16, 48] if isinstance(value, list) else 24,
        "measures": ["RR@10"],
        "dataset": "apidocs",
        "indexer": "pq",
        "seeds": [2],
        "length": 3,
        "vocabulary": 128,
        "holdout": 0.2,
        "b": [0.4],
        "every_seed": [24],
        "bits": 8,
        "given": "residual" if value == "random" else "random",
    }
    if path[-1] == "negatives" and isinstance(value, str):  # of a dual encoder
        return "random" if value == "bm25" else "bm25"
    if path[-1] in ("like", "start", "teacher"):
        return OTHERS[path[1:]]
    if path in (("asi", "systems"), ("figure7", "systems")):  # the figures want the first of them
        return value[:-1]
    if path[-1] in known:
        return known[path[-1]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[1:] or [2 * value[0]]
    return (
        f"{value}x" if isinstance(value, str) else type(value)(value * 2 + isinstance(value, int))
    )


def nested(path: tuple, value: object) -> dict:
    """Return {path[0]: {path[1]: ... value}}."""
    for key in reversed(path):
        value = {key: value}
    return value


def stages_now(overrides: dict) -> dict[str, set]:
    """Return, for every stage, what its jobs make, read and do."""
    jobs = dvc_yaml.load(overrides).jobs
    return {
        name: {
            (str(job.output), str(job.input), repr(sorted(job.params.items())), job.shellcmd)
            for job in own
        }
        for name, own in jobs.items()
    }


# few jobs: the DAG is built once for every parameter
FEW = {
    "asi": {"systems": ["asi", "asi++", "asi-unseen", "asi++-unseen"]},
    "sweep": {"M": [16, 24]},  # a table's M is one of them
    "systems": {
        "asi++": {"seeds": [1]},
        **{name: {"M": [16]} for name in ("opq-4bit", "jpq-4bit", "itq-lsh", "dpq")},
        "ivf-jpq": {"M": [16], "nprobe": [2]},
        **{name: {"seeds": [1, 2], "every_seed": [16]} for name in ("jpq-neg", "jpq-loss")},
        "jpq-centroids": {"M": [16]},
        "jpq-mse-1": {"M": [16]},
    },
    "table1": {"M": 16},
    "figure4": {
        "systems": [
            "jpq",
            "jpq-4bit",
            "dpq",
            "opq",
            "pq",
            "lsh",
            "itq-lsh",
            "opq-scann",
            "adore",
        ],
    },
    "figure5": {"systems": ["ivf-jpq", "hnsw"]},
}


SAME = ("annoy", "falconn", "flann", "imi", "hnsw-opq", "scann")  # libraries of one rule
NOT_RUN = ("jpq-paper", "jpq-labelled", "jpq-without-labels")
# another entry in place of one that is named: one that moves no job to another stage
OTHERS = {
    ("rand-neg", "start"): "star",
    ("ance", "start"): "pretrained",
    ("brute-force", "start"): "pretrained",
    ("brute-force-pretrained", "start"): "star",
    ("jpq-4bit", "start"): "opq",
    ("asi++", "start"): "pretrained",
    ("jpq-4bit", "like"): "jpq-neg",
    ("jpq-neg", "like"): "jpq-mse-1",
    ("jpq-loss", "like"): "jpq-neg",
    ("jpq-centroids", "like"): "jpq-loss",
    ("jpq-mse-1", "like"): "jpq-loss",
    ("jpq-mse-10", "like"): "jpq-centroids",
    ("jpq-mse-100", "like"): "jpq-centroids",
    ("asi", "like"): "asi++-unseen",
    ("asi++-unseen", "like"): "asi",
    ("asi-unseen", "like"): "asi++",
}


def changes(params: dict) -> Iterator[tuple[tuple, dict]]:
    """Yield the path of every parameter, and an overlay of FEW in which it has another value."""
    shown, entries = set(FEW["asi"]["systems"]), params["systems"]
    of_asi = {name for name in entries if "asi" in name or name.endswith("-ids")}
    for path, value in leaves(params):
        # another kind of dataset has other params, and of the libraries in one rule one is enough
        same_for_all = path[:1] == ("systems",) and path[1] in SAME
        # not run by default; distill is of vectors alone
        unused = path[:2] in (("datasets", "medquad"), ("datasets", "apidocs-shift"))
        unused |= path[0] == "distill"
        unused |= path[0] == "systems" and path[1] in {*NOT_RUN, *(of_asi - shown)}
        # a system of another method has other settings, too
        another_kind = path[-1] in ("kind", "method")
        only_one = path[-1] in ("like", "start", "teacher") and path[1:] not in OTHERS
        if not (
            same_for_all or unused or another_kind or only_one or path == ("figure4", "datasets")
        ):
            overlay = merge(FEW, nested(path, another(path, value)))
            if path == ("sweep", "M"):  # tables show an M that is trained
                overlay |= {"table1": {"M": 16}}
            yield path, overlay


def of_dvc(folder: Path) -> dict[str, list]:
    """Return the params of each stage as DVC's own objects, which know the values of now."""
    found = {
        stage.name: [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
        for stage in Repo(folder).index.stages
    }
    for dep in chain(*found.values()):
        dep.fill_values(dep.read_params())
    return found


def test_dvc_notices_every_parameter(tmp_path, monkeypatch):
    """DVC runs each stage whose jobs change with a parameter, wherever else it is used."""
    monkeypatch.chdir(ROOT)  # where the workflow expects to be read
    folder = clone(tmp_path / "few")
    for name, own in all_params(ROOT)["systems"].items():
        if "sweep" in own:
            few = {"sweep": {k: v[:1] for k, v in own["sweep"].items()}}
            FEW["systems"][name] = few
    edit_params(folder, FEW)
    bridge("write", folder)
    run("git", "init", "--quiet", cwd=folder)
    todo, before, stages = list(changes(all_params(folder))), stages_now(FEW), of_dvc(folder)
    assert set(stages) == set(before)
    with ProcessPoolExecutor(2) as pool:
        changed_to = pool.map(stages_now, [overlay for _, overlay in todo], chunksize=8)
    unnoticed, without_effect = [], []
    for (path, overlay), after in zip(todo, changed_to, strict=True):
        files = {p: p.read_bytes() for p in (folder / "params").glob("*.yaml")}
        edit_params(folder, overlay)
        told = {name for name, deps in stages.items() if any(d.workspace_status() for d in deps)}
        for file, text in files.items():
            file.write_bytes(text)
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        unnoticed += [(path, name) for name in (changed & set(before)) - told]
        without_effect += [] if changed else [path]
    assert unnoticed == []
    assert without_effect == []


def all_params(folder: Path) -> dict:
    """Return what is in params/*.yaml."""
    files = sorted((folder / "params").glob("*.yaml"))
    return {k: v for file in files for k, v in yaml.safe_load(file.read_text()).items()}
