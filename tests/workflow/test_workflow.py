"""The workflow itself: its DAG, its two faces (Snakemake, DVC), its style. Nothing is trained."""

import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from shlex import quote

import pytest
import yaml

from conftest import ENV, ROOT, bridge, clone, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag

from jointir.search.ann import registry

PRESETS = sorted((ROOT / "params" / "presets").glob("*.yaml"))
# Jobs by rule of the default params: 6 values of M; ITQ+LSH has 4.
JOBS = {
    "download": 2,  # figure 4's dataset and the generative models'
    "corpus": 2,
    "checkpoint": 2,
    "star": 2,
    "fits": 4,  # figures 1, 4, 5 and 7
    # 2 shards; STAR of 2 datasets, 4 encoders that are compared with it, and RepBERT and SimCSE
    "embed_documents": 16,
    "gather": 8,
    "embed_queries": 9,  # of the same, and ADORE's
    "embed_train_queries": 1,
    "tune": 1,
    "doc2query": 1,
    "expand": 1,
    "asi": 30,  # 9 variants of 3 seeds, 3 of one
    "assign_ids": 30,
    "fixed_ids": 18,  # 2 variants of 3 seeds, 4 of one, and 8 of the generative family
    "genret": 1,
    "novo": 1,
    "train_decoder": 50,
    "generate": 50,
    "measure_ids": 50,
    "cold_start": 6,
    "asi_results": 1,
    "measure_baseline": 14,  # of 6 systems, on dev and test, and SEAL's hybrid
    "seal": 1,
    "rank_seal": 1,
    "rank_bm25": 3,
    "dual": 4,
    "simcse": 1,
    "colbert": 1,
    "tct_colbert": 1,
    "adore": 1,
    "rank_colbert": 1,
    "figure1": 1,
    **{f"asi_table{number}": 1 for number in (1, 2, 3, 4, 5, 7)},
    **{f"asi_figure{number}": 1 for number in (1, 3, 4, 5, 6)},
    "asi_figure_training": 1,
    "brute_force": 8,
    "build": 23,  # 3 x 6, 4, and 1 for OPQ 4-bit
    # with codes of 8 bits, and of 4; 3 M x (3 variants x 3 seeds, 2 more of JPQ), 3 M x 3 variants,
    # and 4 at one M
    "jpq": 7 + 46,
    "figure7": 1,
    "negatives": 1,
    "figure3": 1,
    "dpq": 3,
    "ivf": 2,
    "ann_build": 6,
    "ann_build_sized": 6,  # ScaNN, with and without OPQ
    # 23 + 7 + 3, 6 of ScaNN, brute force, 12 of IVF-JPQ, 5 values of 4 other search parameters
    # and 4 of 2, 3 dense retrievers beside the generative models, the 46 of the ablation, and 5
    # dense retrievers
    "retrieve": 134,
    "measure": 133,  # BM25 and ColBERT too; the generative models' brute force has its own rule
    "latency": 1,
    "latencies": 1,
    **{f"table{number}": 1 for number in (1, 2, 3, 5)},
    "figure5": 1,
    "scaling": 1,
    "figure_scaling": 1,
    "results": 4,  # of figure 4, and what figures 5, 7 and 1 add
    "comparisons": 4,
    "groups": 1,
    "groups_table": 1,
    "pays": 1,
    "sizes": 1,
    "metrics": 1,
    "figure_training": 1,
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
    missing = registry.missing
    jobs = dvc_dag.load().jobs
    assert registry.missing is missing  # only the DAG takes all for installed
    assert Counter(job.rule.name for mine in jobs.values() for job in mine) == JOBS
    read = {str(path) for job in jobs["star"] if job.rule.name == "star" for path in job.input}
    assert "data/apidocs/fits/figure4.json" in read, "the first training waits for the check"


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
    assert "src/jointir/joint" in stages["jpq"]["deps"]
    assert "src/jointir/joint" not in stages["search"]["deps"]


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
    assert (jobs["download"], jobs["star"], jobs["jpq"]) == ("1", "1", "7")


def test_reports_of_asi_are_of_this_run_and_an_optional_one_is_left_out():
    systems = "asi={systems: [asi, asi++]}"  # without those of table 3
    text = run("snakemake", "-n", "--forceall", "stage_asi_report", "--config", systems, cwd=ROOT)
    found = re.findall(r"^rule (asi_(?:table|figure)\d):\n +input: (.*)$", text, re.M)
    read = {name: files.split(", ") for name, files in found}
    whole = {name for name in JOBS if re.fullmatch(r"asi_(table|figure)\d", name)}
    assert set(read) == whole - {"asi_table3"}
    flagged = {name for name, files in read.items() if "data/asi.made" in files}
    assert flagged == set(read) - {"asi_table5", "asi_table7", "asi_figure5", "asi_figure6"}


def test_a_beir_folder_needs_no_download(tmp_path):
    folder = tmp_path / "it's mine"
    folder.mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).touch()
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


def test_every_command_has_the_environment_and_a_benchmark_beside_its_log(inside):
    rules = {job.rule.name: job.rule for jobs in dvc_dag.load().jobs.values() for job in jobs}
    assert set(rules) == set(JOBS)
    for rule in rules.values():
        assert (
            str(rule.benchmark) == re.sub(r"\.log$", ".tsv", str(rule.log[0])) != str(rule.log[0])
        )
        assert Path(rule.conda_env).name == "environment.yml"


def test_every_rule_has_a_log():
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text()
        if path.name == "stages.smk":  # its rules only ask for others' outputs
            continue
        rules = len(re.findall(r"^(?:use )?rule \w|^    rule:$", text, re.M))
        assert len(re.findall(r"^ +log:$", text, re.M)) == rules, path.name


def test_the_environment_is_the_locked_one(tmp_path):
    """Its pip part holds from any folder: Snakemake copies the file, and conda installs there."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (python,) = (d for d in environment if str(d).startswith("python="))
    (pip,) = (d["pip"] for d in environment if isinstance(d, dict))
    locked = (ROOT / "requirements.lock").read_text().split("\n")
    assert set(pip) <= set(locked) and {"pytest", "torch"} <= {line.split("==")[0] for line in pip}
    (tmp_path / "pip.txt").write_text("\n".join(pip))
    install = ["-m", "pip", "install", "--dry-run", "--no-index", "-r", "pip.txt"]
    told = run(sys.executable, *install, cwd=tmp_path)
    assert told.count("Requirement already satisfied") >= len(pip) and "Would install" not in told
    project = (ROOT / "pyproject.toml").read_text()
    required = re.search(r'requires-python = ">=(3\.\d+)"', project)[1]
    assert tuple(map(int, python.split("=")[1].split("."))) >= tuple(map(int, required.split(".")))


def test_rules_find_the_command_where_the_project_is_not_installed(tmp_path, monkeypatch):
    """As in an environment that conda made from environment.yml."""
    folder, tools = clone(tmp_path / "project"), tmp_path / "bin"
    tools.mkdir()
    for name, module in (("python", ""), ("snakemake", "-m snakemake")):
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        (tools / name).chmod(0o755)
    monkeypatch.setitem(ENV, "PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.delitem(ENV, "PYTHONPATH")
    told = run("snakemake", "--cores", "1", "data/apidocs/pretrained/model", cwd=folder)
    assert "1 of 1 steps (100%) done" in told
    assert "jointir" not in {path.name for path in tools.iterdir()}
