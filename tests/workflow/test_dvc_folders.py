"""DVC tracks folders: which ones, and that nothing but what jobs make is recorded of them."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from snakemake.io import is_flagged

from conftest import ROOT, run
from faults.harm import truncate, under_its_old_time

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_bridge
import dvc_dag
import dvc_yaml
import strangers
from facts import Job, Stage
from folders import cover, holder, package

OPQ = "data/d/systems/opq"


def test_the_highest_folder_that_holds_nothing_of_others_is_tracked():
    own = [f"{OPQ}/M16/index.faiss", f"{OPQ}/M24/index.faiss"]
    assert cover(own, ["data/d/systems/jpq/M16/index.faiss"]) == [OPQ]
    assert cover(own, []) == ["data/d/systems"], "a dataset's own folder holds scratch, too"
    assert cover(own, [f"{OPQ}/M16-seed2/index.faiss"]) == [f"{OPQ}/M16", f"{OPQ}/M24"]
    assert cover(own, [f"{OPQ}/M24/query_encoder"]) == [f"{OPQ}/M16", own[1]]


def test_files_beside_other_things_are_tracked_by_themselves():
    own = ["data/d/latency.csv", "data/results.made", "reports/tables/a.csv", "data/d/source"]
    assert cover(own, []) == sorted(own)


def test_what_a_stage_reads_is_named_by_what_is_tracked_or_by_its_package():
    outs = {"data/d/star", "data/d/runs/jpq/M16"}
    assert holder("data/d/star/model", outs) == holder("data/d/star", outs) == "data/d/star"
    assert holder("data/d/runs/jpq/M16-seed2/meta.json", outs).endswith("seed2/meta.json")
    assert package("src/jointir/methods/asi/jpq.py") == "src/jointir/methods"
    assert package("src/jointir/cli.py") == "src/jointir/cli.py"
    assert package("params/sources/apidocs.txt") == "params/sources/apidocs.txt"


def test_params_are_named_by_an_entry_of_which_all_is_read():
    tree = {"systems": {"a": {"M": 1, "seed": 2}, "b": {"M": 1, "seed": 2}, "c": {"M": 1}}}
    named = ["systems.a.M", "systems.a.seed", "systems.b.M", "systems.c.M"]
    assert dvc_yaml.entries(named, tree) == ["systems.a", "systems.b.M", "systems.c.M"]
    every = ["systems.a", "systems.b", "systems.c"]
    assert dvc_yaml.entries(every, tree) == every, "one more may be added"
    assert dvc_yaml.entries(["tune.run", "tune.seed"], {"tune": {"run": 1, "seed": 2}}) == ["tune"]


@pytest.fixture(scope="module")
def dag():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return dvc_dag.load()


@pytest.fixture(scope="module")
def stages() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_outs_hold_all_that_stays_and_nothing_else(dag, stages, monkeypatch):
    """Nothing of another stage, of the extra `ann`, or of a trainer's scratch."""
    monkeypatch.chdir(ROOT)
    assert list(stages) == [name for name, jobs in dag.jobs.items() if jobs]
    owner = {Path(path): name for name, s in stages.items() for out in s["outs"] for path in out}
    with Repo() as repo:
        for name, jobs in dag.jobs.items():
            for path in (o for job in jobs for o in job.output):
                homes = [owner[p] for p in (Path(path), *Path(path).parents) if p in owner]
                if str(path) in dag.optional:
                    assert homes == [], path
                elif is_flagged(path, "temp"):
                    ignored = repo.dvcignore.is_ignored_file(str(Path(path).absolute()))
                    assert homes == [] or ignored, path
                else:
                    assert homes == [name], path
    assert dag.optional
    told = [str(job.params.get("command")) for own in dag.jobs.values() for job in own]
    scratch = set(re.findall(r"--scratch (\S+)", " ".join(told)))
    assert len(scratch) > 9
    assert not [s for s in scratch if owner.keys() & {Path(s), *Path(s).parents}]


def test_dvc_yaml_can_be_read_by_eye(stages):
    text = (ROOT / "dvc.yaml").read_text()
    assert len(text.splitlines()) < 400
    assert all(own["desc"] and "\n" not in own["desc"] for own in stages.values())
    code = {Path(dep) for own in stages.values() for dep in own["deps"] if dep.startswith("src/")}
    assert all(dep.parent == Path("src/jointir") and not dep.suffix for dep in code), "packages"


def test_artifacts_are_made_by_jobs(dag):
    made = {str(o) for jobs in dag.jobs.values() for job in jobs for o in job.output}
    told = yaml.safe_load((ROOT / "dvc.yaml").read_text())["artifacts"]
    assert set(told) == {"apidocs-jpq-index", "apidocs-jpq-query-encoder"}
    assert {own["path"] for own in told.values()} <= made
    assert {own["type"] for own in told.values()} == {"model"}


# A project of one stage: two jobs of two files and a folder each; `summary` is made of one file.
SNAKEFILE = """
rule all:
    input: "data/d/a/summary", "data/d/a/M24/index"

rule build:
    output: "data/d/a/M{M}/index", "data/d/a/M{M}/curve", directory("data/d/a/M{M}/model")
    shell: "echo 1 | tee {output[0]} {output[1]}; mkdir {output[2]}; date > {output[2]}/w"

rule summary:
    input: "data/d/a/M16/index"
    output: "data/d/a/summary"
    shell: "cat {input} > {output}"
"""
COMMAND = ("snakemake", "--cores", "1", "--quiet")
BUILT = [[f"data/d/a/M{M}/{name}" for name in ("index", "curve", "model")] for M in (16, 24)]
SHARD = "data/d/a/shards/0.npy"  # that Snakemake deletes in the end
OF_A = Stage(
    rules=["build", "summary"],
    jobs=[Job(made, []) for made in BUILT] + [Job(["data/d/a/summary"], [BUILT[0][0]])],
    outputs={*BUILT[0], *BUILT[1], "data/d/a/summary"},
    passing={SHARD},
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Return the project after `snakemake` and `dvc repro`."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    shutil.copy(ROOT / ".dvcignore", folder)
    own = {"cmd": " ".join(COMMAND), "outs": [{"data/d/a": {"persist": True}}]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"a": own}}))
    run("dvc", "init", "--no-scm", "--quiet", cwd=folder)
    run(*COMMAND, cwd=folder)
    run("dvc", "repro", cwd=folder)
    return folder


@pytest.fixture
def project(made, tmp_path, monkeypatch) -> Path:
    run("cp", "-a", made, tmp_path / "project", cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def clean() -> None:
    assert dvc_bridge.clean("a", {"a": OF_A}) == ["build", "summary"]


def files(folder: Path) -> dict[str, int]:
    """Return when each file in the folder that DVC tracks was written."""
    paths = [p for p in (folder / "data").rglob("*") if p.is_file() and p.name[0] != "."]
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in paths}


def test_what_snakemake_made_stays(project):
    before = files(project)
    clean()
    assert files(project) == before and len(before) == 7
    assert json.loads(run("dvc", "status", "--json", cwd=project)) == {}


def test_one_file_of_a_folder_that_came_from_elsewhere_is_deleted_with_what_its_job_made(project):
    """The trap: what DVC has put there has no record; what Snakemake made beside it stays."""
    before = files(project)
    (project / BUILT[1][1]).write_text("from the cache\n")
    clean()
    assert before.keys() - files(project).keys() == {
        p for p in before if p.startswith("data/d/a/M24/")
    }
    assert files(project).items() <= before.items()


def test_what_is_made_of_a_missing_file_is_deleted(project):
    (project / BUILT[0][0]).unlink()
    clean()
    assert set(files(project)) == {*BUILT[1][:2], f"{BUILT[1][2]}/w"}


def test_a_file_of_a_folder_that_was_cut_under_its_old_time_is_deleted(project):
    """Also where DVC has read it since: it is older than dvc.lock, which says something else."""
    before = files(project)
    under_its_old_time(truncate, project / BUILT[1][0])
    assert json.loads(run("dvc", "status", "--json", cwd=project)) != {}
    clean()
    assert before.keys() - files(project).keys() == {
        p for p in before if p.startswith("data/d/a/M24/")
    }


def test_new_results_under_an_old_lock_are_no_damage(project):
    shutil.rmtree(project / "data/d/a/M24")
    run(*COMMAND, cwd=project)
    before = files(project)
    clean()
    assert files(project) == before


def test_what_no_job_makes_is_put_aside_and_not_recorded(project, capsys):
    """An index of a size that left the sweep may have cost hours; a note is the user's."""
    before, recorded = files(project), (project / "dvc.lock").read_text()
    old, note = Path("data/d/a/M32/index"), Path("data/d/a/M16/note.txt")
    for path in (old, note):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    Path("data/d/a/empty").mkdir()
    Path("data/d/a/.index.0123abcd").write_text("half")
    Path("data/d/other").write_text("of another stage, or nobody's: not in the folder")
    clean()
    told = capsys.readouterr().err
    assert "moved aside, for no job of these params makes it: data/d/a/M32 -> data/.aside/" in told
    assert told.count("moved aside") == 2
    for path in (old, note):
        assert not path.exists() and (strangers.ASIDE / path).read_text() == "mine"
    assert not list(Path("data").rglob(".index.*")), "half-written by a killed job"
    run("dvc", "repro", cwd=project)
    assert (project / "dvc.lock").read_text() == recorded
    assert before.items() <= files(project).items() and Path("data/d/other").exists()


def test_a_size_that_is_swept_again_is_brought_back(project):
    """With its time and its record: nothing is made again."""
    before = files(project)
    few = OF_A._replace(jobs=[OF_A.jobs[0], OF_A.jobs[2]], outputs=OF_A.outputs - {*BUILT[1]})
    dvc_bridge.clean("a", {"a": few})
    assert not Path("data/d/a/M24").exists()
    clean()
    assert files(project) == before
    assert "Nothing to be done" in run("snakemake", "-n", cwd=project)


def test_what_passes_stays_for_the_job_that_waits_for_it_and_dvc_ignores_it(project):
    Path(SHARD).parent.mkdir()
    Path(SHARD).write_text("embedded before the kill")
    clean()
    assert Path(SHARD).exists()
    assert json.loads(run("dvc", "status", "--json", cwd=project)) == {}


def test_what_was_put_aside_last_replaces_what_was_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/d/a/M32")
    for text in ("first", "second"):
        folder.mkdir(parents=True)
        (folder / text).write_text(text)
        strangers.put_aside(["data/d/a"], {"data/d/a/M16/index"})
    assert [p.name for p in (strangers.ASIDE / folder).iterdir()] == ["second"]
    assert strangers.strangers(Path("data/nowhere"), set()) == []
