"""The workflow itself: its DAG, its two faces (Snakemake, DVC), its style. Nothing is trained."""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from shlex import quote

import pytest
import yaml

from conftest import ROOT, bridge, clone, merge, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_yaml

from jointir.search.ann import registry

PRESETS = sorted((ROOT / "params" / "presets").glob("*.yaml"))
# Jobs by rule of the default params: 6 values of M; ITQ+LSH has 4.
JOBS = {
    "download": 2,  # figure 4's dataset and the generative models'
    "corpus": 2,
    "checkpoint": 2,
    "star": 2,
    "embed_documents": 16,  # 2 shards; 2 encoders of 2 datasets, and 4 that are compared with STAR
    "gather": 8,
    "embed_queries": 8,  # of the same, ADORE's, and not of one untrained encoder
    "embed_queries_trained": 46,  # of 9 JPQs, 3 DPQs and the ablation's trainings
    "asi": 19,  # 5 variants of 3 seeds, 4 of one
    "assign_ids": 19,
    "given_ids": 6,  # 2 variants, 3 seeds
    "settle": 25,
    "generate": 25,
    "measure_ids": 25,
    "cold_start": 2,
    "asi_results": 1,
    "measure_baseline": 2,
    "bm25": 2,
    "dual": 3,
    "colbert": 1,
    "tct_colbert": 1,
    "adore": 1,
    "late_search": 1,
    "retriever_results": 1,
    "retriever_table": 2,
    "figure1": 1,
    **{
        f"asi_{name}": 1 for name in ("table1", "table3", "table4", "figure3", "figure5", "figure6")
    },
    "brute_force": 7,
    "build": 25,  # 3 x 6, 4, and 3 for OPQ 4-bit
    "jpq": 9,  # with codes of 8 bits, and of 4
    "jpq_variant": 34,  # 3 M x (2 variants x 3 seeds, 2 more of JPQ), 3 M x 2 variants, 4 at one M
    "ablation_results": 1,
    "ablation_steps": 1,
    "figure7": 1,
    "negatives": 1,
    "figure3": 1,
    "dpq": 3,
    "lists": 2,
    "ann_build": 6,
    "ann_build_sized": 6,  # ScaNN, with and without OPQ
    # 25 + 9 + 3, 6 of ScaNN, 2 of brute force, 12 of IVF-JPQ, 5 values of 4 other knobs and 4 of 2,
    # brute force for the generative models, the 34 of the ablation, and 5 dense retrievers
    "retrieve": 125,
    "measure": 126,  # BM25 and ColBERT too; the generative models' brute force has its own rule
    "speed_results": 1,
    "latency": 1,
    "latencies": 1,
    "table1": 1,
    "table2": 1,
    "figure5": 1,
    "scale": 1,
    "figure_scale": 1,
    "results": 1,
    "groups": 1,
    "groups_table": 1,
    "compare_star": 1,
    "sizes": 1,
    "metrics": 1,
    "figure4": 1,
    "figure4_table": 1,
}


@pytest.fixture
def inside(monkeypatch):
    """Be in the repository's root, where the workflow expects to be read."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return clone(tmp_path_factory.mktemp("workflow"))


def test_dvc_yaml_is_current(folder):
    bridge("check", folder)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    stale = run(sys.executable, "workflow/scripts/dvc_bridge.py", "check", cwd=folder, ok=False)
    assert "dvc.yaml is stale" in stale
    bridge("write", folder)
    assert (folder / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()


def test_jobs_of_the_default_params(inside):
    libraries = dict(registry.LIBRARIES)
    jobs = dvc_yaml.load().jobs
    assert registry.LIBRARIES == libraries  # only the DAG takes all for installed
    assert Counter(job.rule.name for mine in jobs.values() for job in mine) == JOBS


def test_dvc_never_sees_temporary_files_and_knows_the_code(inside):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    outs = [(path, how) for s in stages.values() for o in s["outs"] for path, how in o.items()]
    assert not [path for path, _ in outs if "shards" in path or "scratch" in path]
    assert all(how["persist"] for _, how in outs)
    in_git = {path for path, how in outs if how.get("cache") is False}
    assert in_git == {path for path, _ in outs if re.search(r"\.(json|csv|md|tex|png)$", path)} - {
        path for path, _ in outs if path.startswith("data/")
    }
    assert "params/sources/apidocs.txt" in stages["download"]["deps"]
    assert "src/jointir/joint/jpq.py" in stages["jpq"]["deps"]
    assert "src/jointir/joint/jpq.py" not in stages["search"]["deps"]


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
        "groups": "",  # a file that is not there is refused
        "sha256": "0" * 64,
        "dtype": "float32",
        "precision": "float32",
        "M": [16, 48] if isinstance(value, list) else 24,
        "measures": ["RR@10"],
        "start": "pretrained",
        "dataset": "apidocs",
        "indexer": "pq",
        "seeds": [2],
        "length": 3,
        "vocabulary": 128,
        "holdout": 0.2,
        "b": [0.4],
    }
    if path[0] == "retrievers" and path[-1] == "negatives":
        return "random" if value == "bm25" else "bm25"
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


def stages_now(overrides: dict) -> dict[str, tuple[dict, set]]:
    """Return, for every stage, what dvc.yaml says of it and what its jobs do."""
    dag = dvc_yaml.load(overrides)
    return {
        name: (
            {
                k: v
                for k, v in dvc_yaml.stage(name, jobs, [], dag.optional).items()
                if k != "params"
            },
            {(str(job.output), repr(sorted(job.params.items())), job.shellcmd) for job in jobs},
        )
        for name, jobs in dag.jobs.items()
    }


def test_dvc_notices_every_parameter(inside):
    """A stage whose jobs change with a parameter names it, or has other inputs and outputs."""
    params = {}
    for path in sorted(Path("params").glob("*.yaml")):
        params |= yaml.safe_load(path.read_text())
    # few jobs: the DAG is built once for every parameter
    few = {"asi": {"run": ["asi", "asi++", "asi-unseen", "asi++-unseen"], "seeds": [1]}}
    few |= {name: {"M": [16]} for name in ("sweep", "opq-4bit", "jpq-4bit", "itq-lsh", "dpq")}
    few |= {"ivf-jpq": {"M": [16], "nprobe": [2]}, "ann": {}}
    few["ablation"] = {"seeds": [1, 2], "every_seed": [16]}
    few["ablation"]["variants"] = {"jpq-centroids": {"M": [16]}}
    few["ablation"]["variants"] |= {f"jpq-mse-{n}": {"M": [16]} for n in (1, 10, 100)}
    for name, own in params["ann"].items():
        few["ann"][name] = {"sweep": {knob: values[:1] for knob, values in own["sweep"].items()}}
    drawn = ["jpq", "jpq-4bit", "dpq", "opq", "opq-4bit", "pq", "lsh", "itq-lsh", "opq-scann"]
    few["figure4"] = {"systems": drawn}
    few["figure5"] = {"systems": ["ivf-jpq", "hnsw"]}
    params = merge(params, few)
    listed, before = dvc_yaml.load(few).params, stages_now(few)
    assert set(listed) == set(before)
    # a kind has params of its own, other datasets are other outputs, and libraries share one rule
    kept = [
        (path, value)
        for path, value in leaves(params)
        if path[0] != "figure4"
        and not (path[0] == "datasets" and path[-1] in ("kind", "seed"))
        and path[:2] != ("datasets", "medquad")  # not of the default
        and path[:2] not in (("asi", "variants"), ("asi", "run"))  # `few` leaves them out
        and not (path[0] == "ann" and path[1] not in ("hnsw", "opq-scann"))
    ]
    overrides = [merge(few, nested(path, another(path, value))) for path, value in kept]
    with ProcessPoolExecutor(2) as pool:
        changed_to = pool.map(stages_now, overrides, chunksize=8)
    missed, without_effect = [], []
    for (path, _), after in zip(kept, changed_to, strict=True):
        changed = [name for name in before if after[name][1] != before[name][1]]
        prefixes = {".".join(path[:i]) for i in range(1, len(path) + 1)}
        named = {name for name in changed if prefixes & set(listed[name])}
        missed += [(path, n) for n in changed if n not in named and after[n][0] == before[n][0]]
        without_effect += [] if changed else [path]
    assert missed == []
    assert without_effect == []


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_resolves(preset):
    text = run("snakemake", "-n", "--forceall", "--configfile", preset, cwd=ROOT)
    assert "This was a dry-run" in text
    for name in yaml.safe_load(preset.read_text())["figure4"]["datasets"]:
        assert f"data/{name}/collection" in text


@pytest.mark.parametrize("target", ["reports/figure4.pdf", "reports/tables/figure4.md"])
def test_committed_numbers_do_not_pass_for_those_of_a_run(tmp_path, target):
    folder = clone(tmp_path / "clone")
    shutil.copytree(ROOT / "reports", folder / "reports")
    (folder / target).unlink(missing_ok=True)
    for path in (folder / "reports").rglob("*"):
        path.touch()  # as git may: newer than the sources
    text = run("snakemake", "-n", target, cwd=folder)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    assert (jobs["download"], jobs["star"], jobs["jpq"]) == ("1", "1", "9")


def test_a_beir_folder_needs_no_download(tmp_path):
    folder = tmp_path / "it's mine"
    folder.mkdir()
    mine = {"kind": "beir", "folder": str(folder)}
    overlay = tmp_path / "mine.yaml"
    used = {"figure4": {"datasets": ["mine"]}, "asi": {"dataset": "mine"}}
    overlay.write_text(yaml.safe_dump({"datasets": {"mine": mine}, **used}))
    text = run("snakemake", "-n", "--forceall", "--configfile", overlay, "-p", cwd=ROOT)
    assert f"jointir corpus-beir --folder {quote(str(folder))} --out data/mine/collection" in text
    assert "rule download" not in text


def test_lint_and_format():
    assert "good condition" in run("snakemake", "--lint", cwd=ROOT)
    run("snakefmt", "--check", "Snakefile", "workflow", cwd=ROOT)
    run("ruff", "check", ".", cwd=ROOT)
    run("ruff", "format", "--check", ".", cwd=ROOT)


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 45


def test_every_rule_has_a_log_and_a_benchmark():
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text()
        rules = len(re.findall(r"^(?:use )?rule \w", text, re.M))
        assert [len(re.findall(rf"^    {k}:$", text, re.M)) for k in ("log", "benchmark")] == [
            rules,
            rules,
        ], path.name


def test_the_environment_is_the_locked_one():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (python,) = (d for d in environment if str(d).startswith("python="))
    (pip,) = (d["pip"] for d in environment if isinstance(d, dict))
    assert pip == ["-c requirements.lock", "-e .[test]"]
    assert (ROOT / "requirements.lock").is_file()
    required = re.search(r'requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text())[
        1
    ]
    assert tuple(map(int, python.split("=")[1].split("."))) >= tuple(map(int, required.split(".")))
