"""What a system that a user adds by its entry alone makes, where it is shown, and its stage."""

import sys

import pytest

from conftest import ROOT, clone, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag

ADDED = {
    "systems": {
        "my-jpq": {"like": "jpq", "scale": 20, "start": "opq-small", "M": [16]},
        "opq-small": {"like": "opq", "sample": 2000, "M": [16]},
        "my-hnsw": {"like": "hnsw", "links": 16, "sweep": {"efSearch": [16]}},
        "my-ance": {"like": "ance", "refresh": 25},
        "my-lists": {"like": "ivf-jpq", "start": "my-jpq", "M": [16], "nprobe": [4]},
        # like `dpq`, so that `tune` changes nothing of it
        "labels": {
            "like": "dpq",
            "method": "jpq",
            "M": [16],
            "centroid_lr": 1.0e-4,
            "sentences": 0,
            "negatives": 200,
            "mined_from": "all",
            "lambda_cut": 200,
            "ranking": 1,
            "distillation": 0,
            "reconstruction": 0,
        },
        "mse": {"like": "labels", "reconstruction": 1, "seeds": [4]},
    },
    "figure4": {
        "systems": ["jpq", "my-jpq", "opq", "opq-small", "jpq-neg", "dpq", "labels", "mse"]
    },
    "figure5": {"systems": ["my-hnsw", "my-lists"]},
    "figure1": {"systems": ["brute-force", "jpq", "opq", "lsh", "bm25", "ance", "my-ance"]},
}


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def added():
    """Return the DAG of the default params with ADDED, and its commands by output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        dag = dvc_dag.load(ADDED)
        jobs = [job for own in dag.jobs.values() for job in own]
        return dag, {str(path): job.shellcmd for job in jobs for path in job.output}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("data/apidocs/systems/opq-small/M16/index.faiss",
         ["jointir opq ", "--sample 2000"]),
        (
            "data/apidocs/systems/my-jpq/M16/index.faiss",
            ["jointir jpq ", "--index data/apidocs/systems/opq-small/M16/index.faiss", "--scale 20",
             "--own scale", "--tuned data/apidocs/tune/jpq.json"],
        ),
        ("data/apidocs/runs/my-jpq/M16/meta.json", ["retrieve ", "--system my-jpq"]),
        ("data/apidocs/measures/my-jpq/M16/test.parquet", ["measure "]),
        ("data/apidocs/systems/my-hnsw/index",
         ["jointir hnsw ", "--links 16", "--ef-construction 100"]),
        ("data/apidocs/my-ance/model",
         ["dual ", "--encoder data/apidocs/bm25-neg/model", "--refresh 25"]),
        ("data/apidocs/runs/my-ance/flat/meta.json", ["--index data/apidocs/my-ance/flat.faiss"]),
        ("data/apidocs/systems/my-lists/M16/index.faiss",
         ["--index data/apidocs/systems/my-jpq/M16/index.faiss"]),
        ("data/apidocs/runs/my-lists/M16-nprobe4/meta.json",
         ["--queries data/apidocs/systems/my-jpq/M16/queries.npy"]),
        ("reports/figure4.pdf", ["--system jpq --system my-jpq --system opq --system opq-small"]),
        ("reports/tables/results.csv", ["measures/my-jpq/M16/", "measures/opq-small/M16/",
                                        "measures/jpq-neg/M16-seed1/"]),
        ("data/apidocs/latency.csv", ["systems/my-hnsw/index", "systems/my-jpq/M16/index.faiss"]),
        ("reports/figure_training.pdf", ["'apidocs my-jpq M=16'"]),
        ("data/apidocs/fits/figure4.json", ["'opq-small:opq M=16 sample=2000'",
                                            "'my-jpq:jpq M=16 sample=2000'"]),
    ],
)  # fmt: skip
def test_a_system_that_is_added_is_made_and_shown(added, output, words):
    command = added[1][output]
    assert [word for word in words if word not in command] == []


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("dpq/M16", {"docs"}),
        ("my-jpq/M16", {"docs", "teacher", "tuned"}),
        ("labels/M16", set()),
        ("mse/M16-seed4", {"docs"}),
    ],
)
def test_a_training_reads_what_its_method_says(added, folder, read):
    command = added[1][f"data/apidocs/systems/{folder}/index.faiss"]
    files = {"docs": "star/docs.npy", "teacher": "star/train.npy", "tuned": "tune/jpq.json"}
    found = {name for name in files if f"--{name} data/apidocs/{files[name]}" in command}
    assert found == read == {name for name in files if f"--{name} " in command}
    assert f"--seed {4 if folder == 'mse/M16-seed4' else 1} " in command


def test_a_system_that_is_added_is_in_the_stage_of_its_method_with_its_params(added):
    dag = added[0]
    made = {path for job in dag.jobs["jpq"] for path in map(str, job.output)}
    for folder in ("my-jpq/M16", "jpq-neg/M16-seed1"):
        assert f"data/apidocs/systems/{folder}/index.faiss" in made
    told = dvc_dag.params_of("jpq", dag)
    assert {"systems.my-jpq", "systems.jpq-neg", "systems.jpq"} <= set(told)
    assert any(name.startswith("systems.my-ance") for name in dvc_dag.params_of("retrievers", dag))


def test_a_variant_of_several_seeds_is_no_other_way_to_search(added):
    latency = added[1]["data/apidocs/latency.csv"]
    assert "jpq-neg" not in latency and "systems/jpq/M16/" in latency


@pytest.mark.parametrize("name", ["embed_queries", "ann_build"])
def test_a_method_that_trains_may_not_have_the_name_of_another_rule(tmp_path, name):
    folder = clone(tmp_path / "project")
    methods = folder / "src/jointir/methods"
    text = (methods / "dpq.py").read_text()
    (methods / f"{name}.py").write_text(text)
    told = run("snakemake", "-n", "reports/figure4.pdf", cwd=folder, ok=False)
    line = f"src/jointir/methods/{name}.py: another rule is named {name!r}. Choose another name"
    assert told.splitlines()[-1] == line
