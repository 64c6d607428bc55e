"""A dataset of vectors through the real DAG: no text, no encoder, no label."""

import json
import re
import shutil
import sys

import faiss
import numpy as np
import pandas as pd
import pytest
import yaml

from conftest import ROOT, clone, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag

from documented import blocks
from test_distill import N, Q, vectors
from test_params_refused import read

TABLE = "reports/tables/results.csv"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Return a folder with docs.npy, queries.npy and an overlay that names them."""
    folder = tmp_path_factory.mktemp("vectors")
    for name, n, seed in (("docs", N, 0), ("queries", Q, 1)):
        np.save(folder / f"{name}.npy", vectors(n, seed))
    mine = {name: str(folder / f"{name}.npy") for name in ("docs", "queries")}
    overlay = {
        "datasets": {"mine": {"kind": "vectors", **mine}},
        "figure4": {"datasets": ["mine"], "systems": ["jpq", "dpq"]},
        "sweep": {"M": [4]},
        "distill": {"steps": 60, "batch": 16, "lr": 3e-3, "map_lr": 1e-3, "scale": 10},
        "validation": {"every": 20},
        "results": {"samples": 100},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(overlay))
    return folder


@pytest.fixture(scope="module")
def project(given):
    """Run the DAG to the table of results; return the project's folder and what was said."""
    folder = clone(given / "project")
    command = ["snakemake", "--cores", "2", TABLE, "--configfile", given / "mine.yaml"]
    return folder, run(*command, cwd=folder)


def test_results_say_how_much_of_exact_search_is_kept(project):
    folder, told = project
    table = pd.read_csv(folder / TABLE)
    assert set(table["system"]) == {"jpq", "opq", "brute-force"}  # where JPQ starts, too
    assert set(table["measure"]) == {"R@10", "nDCG@10", "R@100"}
    of_10 = table[table["measure"].eq("R@10") & table["split"].eq("test")]
    values = of_10.set_index("system")["value"]
    assert values["brute-force"] == 1
    assert 0.4 < values["jpq"] < 0.9
    line = "mine: given as vectors, so dpq and all figures but 4 are left"
    assert line in told


def test_the_index_is_a_plain_faiss_index_of_raw_queries(given, project):
    index = faiss.read_index(str(project[0] / "data/mine/systems/jpq/M4/index.faiss"))
    docs, queries = vectors(N, 0), vectors(Q, 1)
    _, found = index.search(queries, 10)
    exact = np.argsort(-(queries @ docs.T), axis=1)[:, :10]
    kept = np.mean([len(np.intersect1d(a, b)) for a, b in zip(exact, found, strict=True)]) / 10
    assert kept > 0.5
    (lines,) = (text for text in blocks("python") if "data/mine" in text)  # of docs/data.md
    command = [sys.executable, "-c", f"{lines.replace('M16', 'M4')}\nprint(rows.tolist())"]
    answers = json.loads(run(*command, cwd=project[0]))
    made = np.load(project[0] / "data/mine/star/queries.npy")[:5]
    assert answers == index.search(made, 10)[1].tolist()
    assert not (project[0] / "data/mine/systems/jpq/M4/query_encoder").exists()


def test_other_content_under_the_same_path_is_noticed(given, project):
    folder, collection = project[0], "data/mine/collection"
    command = ["snakemake", "-n", collection, "--configfile", given / "mine.yaml"]
    assert "Nothing to be done" in run(*command, cwd=folder)
    kept = shutil.copy2(given / "docs.npy", given / "kept.npy")
    try:
        np.save(given / "docs.npy", vectors(N, 2))
        assert re.search(r"^vectors +1$", run(*command, cwd=folder), re.MULTILINE)
    finally:
        shutil.copy2(kept, given / "docs.npy")


def jobs(overlay, target, ok=True):
    return run("snakemake", "-n", "-F", target, "--configfile", overlay, cwd=ROOT, ok=ok)


def test_a_dataset_of_text_may_stand_beside_it(given, tmp_path):
    both = yaml.safe_load((given / "mine.yaml").read_text())
    both["figure4"]["datasets"] = ["apidocs", "mine"]
    path = tmp_path / "both.yaml"
    path.write_text(yaml.safe_dump(both))
    told = jobs(path, "reports/figure4.pdf")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", told, re.MULTILINE))
    one = ("vectors", "corpus", "star", "jpq", "distill")
    assert [counts[name] for name in one] == ["1"] * 5
    assert counts["dpq"] == "3" and "data/mine/systems/dpq" not in told
    # figure 1 reads figure 4's table, which holds both; of its own it wants nothing of the vectors
    told = jobs(path, "reports/figure1.pdf")
    assert "data/apidocs/runs/ance" in told and "data/mine/runs/ance" not in told
    shown = re.search(r"rule figure1:\n +input: (.*)", told)[1]
    assert "data/apidocs/runs/brute-force" in shown and "data/mine" not in shown


def test_a_report_that_needs_an_encoder_is_refused_for_vectors_alone(given):
    for number in (1, 3, 5, 7):
        told = jobs(given / "mine.yaml", f"reports/figure{number}.pdf", ok=False)
        assert "figure4.datasets: all are vectors. Name one with text" in told


def test_all_makes_what_vectors_can_have(given):
    told = jobs(given / "mine.yaml", "all")
    assert "reports/figure4.pdf" in told and "reports/figure1.pdf" not in told


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ({"docs": "no.npy"}, "datasets.mine.docs: there is no file 'no.npy'"),
        ({"queries": "~/no.npy"}, "datasets.mine.queries: there is no file '/"),
        ({"qrels": "nowhere"}, "datasets.mine.qrels: there is no folder 'nowhere'"),
        ({"docs": "d.csv"}, "datasets.mine.docs: 'd.csv' does not match"),
        ({"splits": {"train": 1}}, "datasets.mine.splits: Additional properties are not allowed"),
    ],
    ids=str,
)
def test_what_the_params_say_is_checked_at_the_start(given, monkeypatch, own, line):
    monkeypatch.chdir(ROOT)
    overlay = yaml.safe_load((given / "mine.yaml").read_text())
    overlay["datasets"]["mine"] |= own
    with pytest.raises(SystemExit, match=re.escape(line)):
        read(overlay)


@pytest.mark.parametrize("datasets", [["mine"], ["apidocs", "mine"]], ids=len)
def test_dvc_knows_every_job_and_what_it_reads(given, monkeypatch, datasets):
    monkeypatch.chdir(ROOT)
    overlay = yaml.safe_load((given / "mine.yaml").read_text())
    overlay["figure4"]["datasets"] = datasets
    del overlay["sweep"]
    dag = dvc_dag.load(overlay)  # which ends where a job belongs to no stage
    rules = {name: {job.rule.name for job in own} for name, own in dag.jobs.items()}
    assert "vectors" in rules["corpus"] and "distill" in rules["jpq"]
    told = dvc_dag.params_of("jpq", dag)
    assert "distill" in told or "distill.map_lr" in told
    assert "fits_vectors" in rules["pretrained"]
    assert ("star" in rules["star"]) == ("apidocs" in datasets)


def test_what_a_dataset_says_reaches_the_stage(given, tmp_path):
    overlay = yaml.safe_load((given / "mine.yaml").read_text())
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.trec").write_text("1 0 2 1\n")
    own = {"splits": {"dev": 0.2, "seed": 7}, "qrels": str(tmp_path / "qrels")}
    overlay["datasets"]["mine"] |= own | {"drop_identical_ids": True, "measures": ["RR@10"]}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(overlay))
    told = run("snakemake", "-n", "-p", "data/mine/collection", "--configfile", path, cwd=ROOT)
    wanted = f"jointir corpus-vectors --dev 0.2 --docs {given}/docs.npy --drop-identical-ids"
    assert f"{wanted} --qrels {tmp_path}/qrels --queries {given}/queries.npy --seed 7" in told
    assert f"{tmp_path}/qrels/test.trec" in told.split("output:")[0], "it is an input"


def test_asi_needs_text(given, monkeypatch):
    monkeypatch.chdir(ROOT)
    overlay = yaml.safe_load((given / "mine.yaml").read_text()) | {"asi": {"dataset": "mine"}}
    with pytest.raises(SystemExit, match=r"asi.dataset: 'mine' is given as vectors"):
        read(overlay)


def test_measures_that_are_named_stay(given, monkeypatch):
    monkeypatch.chdir(ROOT)
    overlay = yaml.safe_load((given / "mine.yaml").read_text())
    assert read(overlay)["datasets"]["mine"]["measures"][0] == "R@10"
    overlay["datasets"]["mine"]["measures"] = ["RR@10"]
    assert read(overlay)["datasets"]["mine"]["measures"] == ["RR@10"]
