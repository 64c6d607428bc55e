"""DVC knows every parameter that a stage depends on."""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, reduce
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import pytest
from dvc.dependency import param
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from conftest import ROOT, all_params, bridge, clone, edit_params, merge, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag


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
        "M": [16, 24, 48] if isinstance(value, list) else 24,
        "measures": ["RR@10"],
        "dataset": "apidocs",
        "indexer": "pq",
        "decoder": "bart" if value == "prefix" else "prefix",
        "nearby": 0.4,
        "queries": 100,
        "sentences": 32,
        "moved": 0.5,
        "vectors": "random",
        "general": 0.2,
        "search": 0.3,
        "dropout": not value if isinstance(value, bool) else 0.2,
        "consistency": 0.5,
        "seeds": [2],
        "length": 3,
        "vocabulary": 128,
        "holdout": 0.2,
        "b": [0.4],
        "beta": 0.5,
        "every_seed": [24],
        "bits": 8,
        "expansion": "none" if value == "doc2query" else "doc2query",
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


def stages_now(overlays: list[dict], targets: Iterable[str]) -> dict[str, set]:
    """Return, for every stage, what its jobs make, read and do, with these changes of FEW.

    By this Snakemake makes a job again: of its params those alone whose functions do not take its
    files, and the command as the rule has it. targets: the rules whose jobs these are; `all` is
    every stage.
    """
    jobs = dvc_dag.load(reduce(merge, overlays, FEW), targets).jobs
    return {
        name: {
            (str(job.output), str(job.input), repr(job.non_derived_params), job.rule.shellcmd)
            for job in own
        }
        for name, own in jobs.items()
    }


def changed_stages(before: dict[str, set], after: dict[str, set]) -> set[str]:
    """Return the stages that have a job which is new or gone, not merely another stage's now."""
    kept = set().union(*before.values()) & set().union(*after.values())
    both = before.keys() | after.keys()
    return {name for name in both if (before.get(name, set()) | after.get(name, set())) - kept}


# few jobs: the DAG is built a hundred times
FEW = {
    "asi": {"systems": ["asi", "asi++", "asi-unseen", "asi++-unseen"]},
    "sweep": {"M": [16, 24]},  # a table's M is one of them
    "systems": {
        "asi++": {"seeds": [1]},
        **{name: {"M": [16]} for name in ("opq-4bit", "jpq-4bit", "itq-lsh", "dpq")},
        "ivf-jpq": {"M": [16], "nprobe": [2]},
        "jpq-labelled": {"seeds": [1, 2], "every_seed": [16]},
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
NOT_RUN = ("jpq-paper", "jpq-without-labels", "brute-force-pretrained")
# another entry in place of one that is named: one that moves no job to another stage
OTHERS = {
    ("rand-neg", "start"): "star",
    ("ance", "start"): "pretrained",
    ("brute-force", "start"): "pretrained",
    ("jpq-4bit", "start"): "opq",
    ("asi++", "start"): "pretrained",
    ("seal", "start"): "pretrained",
    ("jpq-4bit", "like"): "jpq-neg",
    ("jpq-neg", "like"): "jpq-mse-1",
    ("jpq-loss", "like"): "jpq-neg",
    ("jpq-centroids", "like"): "jpq-loss",
    ("jpq-mse-1", "like"): "jpq-without-labels",
    ("jpq-mse-10", "like"): "jpq-centroids",
    ("jpq-mse-100", "like"): "jpq-centroids",
    ("asi", "like"): "asi++-warm",
    ("asi++-unseen", "like"): "asi",
    ("asi-unseen", "like"): "asi++",
}


def like_asi(name: str, entries: dict) -> bool:
    """Return whether an entry is `asi++`, or like it."""
    while name != "asi++" and "like" in entries[name]:
        name = entries[name]["like"]
    return name == "asi++"


def changes(params: dict) -> Iterator[tuple[tuple, dict]]:
    """Yield the path of every parameter, and the change of it to another value."""
    shown, entries = set(FEW["asi"]["systems"]), params["systems"]
    of_asi = {name for name in entries if like_asi(name, entries)}
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
        left_out = same_for_all or unused or another_kind or only_one
        if not (left_out or path == ("figure4", "datasets")):
            changed = nested(path, another(path, value))
            if path[-1] == "consistency":  # of two passes that differ
                changed = merge(changed, nested((*path[:-1], "dropout"), 0.1))
            yield path, changed


class Few:
    """A copy of the project whose params are FEW, as DVC sees it."""

    def __init__(self, folder: Path):
        self.folder = clone(folder)
        edit_params(folder, FEW)
        bridge("write", folder)
        run("git", "init", "--quiet", cwd=folder)
        self.changes = dict(changes(all_params(folder)))
        self.stages = {
            stage.name: [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
            for stage in Repo(folder).index.stages
        }
        for dep in chain(*self.stages.values()):
            dep.fill_values(dep.read_params())

    def watches(self, stage: str, path: tuple) -> bool:
        """Return whether a parameter, or a part of the params that it is in, is named to DVC."""
        names = {".".join(path[:i]) for i in range(1, len(path) + 1)}
        return any(names.intersection(dep.params) for dep in self.stages[stage])

    def watching(self, *paths: tuple) -> set[str]:
        """Return the stages that watch one of these parameters."""
        return {s for s in self.stages if any(self.watches(s, path) for path in paths)}

    def noticed(self, paths: list[tuple], stages: Iterable[str]) -> set[str]:
        """Return which of these stages DVC would run, were all these parameters changed."""
        files = {p: p.read_bytes() for p in (self.folder / "params").glob("*.yaml")}
        edit_params(self.folder, reduce(merge, (self.changes[path] for path in paths)))
        with patch.object(param, "load_path", cache(param.load_path)):  # once, not for each stage
            told = {s for s in stages if any(dep.workspace_status() for dep in self.stages[s])}
        for file, text in files.items():
            file.write_bytes(text)
        return told


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Few:
    for name, own in all_params(ROOT)["systems"].items():
        if "sweep" in own:
            FEW["systems"][name] = {"sweep": {k: v[:1] for k, v in own["sweep"].items()}}
    return Few(tmp_path_factory.mktemp("params") / "few")


def stages_of_each(
    few: Few, groups: list[list[tuple]], targets: list[list[str]] | None = None
) -> Iterator[dict[str, set]]:
    """Yield `stages_now` after each group's changes at once, of each group's targets."""
    overlays = [[few.changes[path] for path in paths] for paths in groups]
    with ProcessPoolExecutor(2) as pool:
        wanted = targets or [["all"]] * len(groups)
        yield from pool.map(stages_now, overlays, wanted, chunksize=4)


def test_a_stage_changes_with_nothing_that_dvc_does_not_watch(few, monkeypatch):
    """All that a stage does not watch is changed at once: each of its jobs stays as it is."""
    monkeypatch.chdir(ROOT)  # where the workflow expects to be read
    others = {s: [p for p in few.changes if not few.watches(s, p)] for s in few.stages}
    before, *afters = stages_of_each(few, [[], *others.values()])
    assert set(few.stages) == set(before)
    found = {s: changed_stages(before, after) for s, after in zip(others, afters, strict=True)}
    assert [s for s in others if s in found[s]] == [], "unnoticed"
    assert [s for s in others if few.noticed(others[s], [s])] == [], "DVC watches what is named"


def apart(few: Few, paths: Iterable[tuple]) -> list[list[tuple]]:
    """Return parameters in groups; those of a group have no stage in common that watches."""
    watching = {path: few.watching(path) for path in paths}
    groups: list[list[tuple]] = []
    for path in sorted(watching, key=lambda p: -len(watching[p])):
        room = (g for g in groups if not any(watching[path] & watching[other] for other in g))
        group = next(room, None)
        if group is None:
            groups.append(group := [])
        group.append(path)
    return groups


def test_dvc_notices_every_parameter(few, monkeypatch):
    """DVC runs the stages that watch it, and it changes one of these, if not the first.

    No other of its group can be the cause: a stage changes with nothing that it does not watch.
    """
    monkeypatch.chdir(ROOT)
    groups = apart(few, few.changes)
    assert sorted(chain(*groups)) == sorted(few.changes)
    for group in groups:
        assert few.noticed(group, few.stages) == few.watching(*group), group
    (before,) = stages_of_each(few, [[]])
    known = set().union(*before.values())
    # first the jobs of one stage that watches it, and of those before: a third of the whole
    firsts = [[f"stage_{first(few, path)}" for path in group] for group in groups]
    found = [
        {name for name, own in after.items() if own - known}
        for after in stages_of_each(few, groups, firsts)
    ]
    left = without_effect(few, groups, found)
    groups = apart(few, left)
    found = [changed_stages(before, after) for after in stages_of_each(few, groups)]
    assert without_effect(few, groups, found) == []


def first(few: Few, path: tuple) -> str:
    """Return the first stage that watches a parameter."""
    return next(s for s in few.stages if few.watches(s, path))


def without_effect(few: Few, groups: list[list[tuple]], found: list[set[str]]) -> list[tuple]:
    """Return the parameters of groups that change no stage that watches them; found: what changed.

    Also check that each stage of `found` is one that watches.
    """
    left = []
    for group, changed in zip(groups, found, strict=True):
        assert changed & set(few.stages) <= few.watching(*group), group
        left += [path for path in group if not few.watching(path) & changed]
    return left
