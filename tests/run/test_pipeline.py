"""The artifacts of one real run (params/presets/ci.yaml), value by value."""

import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import faiss
import ir_measures
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import yaml

from conftest import CI, DEV, ENV, TEST, N, clone, run
from jointir.measure.groups import read_groups
from jointir.search.ann.registry import missing

DATA = "data/apidocs-ci"
COLUMNS = "dataset,split,system,setting,seed,bytes_per_doc,measure,value,low,high"
MS = [16, 32]
SWAP = 1e-4  # scores this close may swap
D = 384
SETTINGS = {(s, f"M={M}") for s in ("jpq", "opq", "pq") for M in MS}
SETTINGS |= {(s, f"bits={8 * M}") for s in ("lsh", "itq-lsh") for M in MS}
SETTINGS |= {("brute-force", ""), ("adore", "")}
SETTINGS |= {("dpq", "M=16"), ("opq-4bit", "M=32 K=16"), ("jpq-4bit", "M=32 K=16")}
SETTINGS |= {("scann", "M=16")} if not missing("scann") else set()


@pytest.fixture(scope="module")
def folder(pipeline) -> Path:
    return pipeline.folder


@pytest.fixture(scope="module")
def results(folder) -> pd.DataFrame:
    text = dict.fromkeys(["setting", "system"], str)
    return pd.read_csv(folder / "reports/tables/results.csv", dtype=text, keep_default_na=False)


@pytest.fixture(scope="module")
def sizes(folder) -> pd.DataFrame:
    table = pd.read_csv(folder / "reports/tables/sizes.csv", keep_default_na=False)
    return table.set_index(["system", "setting"])


def quantizer(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, centroids and rotation of an IndexPreTransform over an IndexPQ."""
    whole = faiss.read_index(str(path))
    index = faiss.downcast_index(whole.index)
    rotation = faiss.downcast_VectorTransform(whole.chain.at(0))
    arrays = (index.codes, index.pq.centroids, rotation.A)
    return tuple(faiss.vector_to_array(a).copy() for a in arrays)


def test_every_system_setting_split_and_measure_has_one_row(folder, results):
    assert (folder / "reports/tables/results.csv").read_text().splitlines()[0] == COLUMNS
    keys = results[["system", "setting", "split", "measure"]].itertuples(index=False, name=None)
    measures = ["MRR@10", "R@100", "nDCG@10"]
    assert sorted(keys) == sorted(
        (*s, split, m) for s in SETTINGS for split in ("dev", "test") for m in measures
    )
    assert set(results["dataset"]) == {"apidocs-ci"}
    assert results[["value", "low", "high"]].map(float).map(lambda v: 0 <= v <= 1).all(axis=None)
    assert (results["low"].le(results["value"]) & results["value"].le(results["high"])).all()


def test_the_groups_of_queries_add_up_to_the_results(folder, results):
    groups = read_groups(folder / "reports/tables/groups.csv")
    keys = ["split", "system", "setting", "measure"]
    value = results.set_index(keys)["value"].map(float).sort_index()
    for _, own in groups.assign(total=groups["value"] * groups["n_queries"]).groupby("grouping"):
        sums = own.groupby(keys)[["total", "n_queries"]].sum()
        assert set(sums["n_queries"]) == {TEST}
        pd.testing.assert_series_equal(
            sums["total"] / sums["n_queries"], value, check_names=False, atol=2e-6, rtol=0
        )
    told = groups.groupby("grouping")["group"].agg(set).to_dict()
    of_packages = {"possible", "impossible"}
    assert told == {
        "all": {"all"}, "codesearchnet": of_packages, "train query": {"without"}
    }  # fmt: skip
    text = (folder / "reports/tables/groups.md").read_text()
    assert f"All {TEST:,} queries are in the group *without*." in text


def test_holm_p_is_given_exactly_for_what_is_compared_with_jpq(folder, results):
    text = dict.fromkeys(["setting", "system"], str)
    path = folder / "reports/tables/comparisons.csv"
    compared = pd.read_csv(path, dtype=text, keep_default_na=False)
    keys = ["dataset", "split", "measure", "system", "setting"]
    alone = results["system"].eq("jpq") | results["setting"].eq("")
    told = sorted(compared[keys].itertuples(index=False, name=None))
    assert told == sorted(results.loc[~alone, keys].itertuples(index=False, name=None))
    assert set(compared["reference"]) == {"jpq"}
    assert compared["p_holm"].between(0, 1).all() and (compared["p"] <= compared["p_holm"]).all()
    value = results.set_index(keys)["value"].map(float)
    for row in compared.itertuples():
        jpq = value[row.dataset, row.split, row.measure, "jpq", row.reference_setting]
        own = value[row.dataset, row.split, row.measure, row.system, row.setting]
        assert row.difference == pytest.approx(own - jpq, abs=2e-6)


@pytest.mark.parametrize(("system", "size"), [("jpq", "M16"), ("itq-lsh", "M32")])
@pytest.mark.parametrize("split", ["dev", "test"])
def test_values_are_those_of_ir_measures(folder, results, system, size, split):
    found = _run(folder, system, size, split)
    judged = list(
        ir_measures.read_trec_qrels(str(folder / f"{DATA}/collection/qrels/{split}.trec"))
    )
    names = {"RR@10": "MRR@10", "R@100": "R@100", "nDCG@10": "nDCG@10"}
    values = ir_measures.calc_aggregate(map(ir_measures.parse_measure, names), judged, found)
    M = int(size[1:])
    rows = results[results["system"].eq(system) & results["split"].eq(split)]
    rows = rows[rows["bytes_per_doc"].eq(M)].set_index("measure")["value"]
    assert len(rows) == 3
    for measure, value in values.items():
        assert rows[names[str(measure)]] == pytest.approx(value, abs=1e-6)


def _run(folder: Path, system: str, size: str, split: str) -> list:
    with gzip.open(folder / f"{DATA}/runs/{system}/{size}/{split}.trec.gz", "rt") as lines:
        found = list(ir_measures.read_trec_run(lines))
    queries = {"dev": DEV, "test": TEST}[split]
    assert len(found) == queries * 100, "100 documents a query"
    return found


def test_bytes_per_document(results):
    sizes = results.groupby("setting")["bytes_per_doc"].agg(set).to_dict()
    bits = {"bits=128": {16}, "bits=256": {32}, "M=32 K=16": {16}}
    assert sizes == {"M=16": {16}, "M=32": {32}, "": {4 * D}} | bits


@pytest.mark.parametrize("M", MS)
def test_jpq_keeps_codes_and_rotation_and_trains_the_centroids(folder, M):
    of = {s: quantizer(folder / f"{DATA}/systems/{s}/M{M}/index.faiss") for s in ("opq", "jpq")}
    codes, centroids, rotation = zip(of["opq"], of["jpq"], strict=True)
    assert codes[0].size == N * M
    np.testing.assert_array_equal(*codes)
    np.testing.assert_array_equal(*rotation)
    assert centroids[0].shape == centroids[1].shape == (256 * D,)
    moved = np.abs(centroids[0] - centroids[1])
    assert 0 < moved.max() < 0.1


@pytest.mark.parametrize("system", ["jpq", "opq", "pq"])
@pytest.mark.parametrize("M", MS)
def test_sizes_and_compression(sizes, system, M):
    row = sizes.loc[(system, f"M={M}")]
    assert (row["codes"], row["codebooks"]) == (N * M, 4 * 256 * D)
    assert row["rotation"] == (0 if system == "pq" else 4 * D * D)
    assert float(row["compression"]) == pytest.approx(4 * N * D / (N * M + 4 * 256 * D), abs=0.005)


def test_compression_without_codebooks(sizes):
    assert float(sizes.loc[("brute-force", "")]["compression"]) == 1
    for M in MS:
        assert float(sizes.loc[("lsh", f"bits={8 * M}")]["compression"]) == 4 * D / M


def test_metrics_are_the_test_rows_of_the_results(folder, results):
    metrics = json.loads((folder / "reports/metrics/effectiveness.json").read_text())
    flat = {
        (system, "" if setting == "default" else setting, measure): value
        for system, settings in metrics["apidocs-ci"].items()
        for setting, values in settings.items()
        for measure, value in values.items()
    }
    rows = results[results["split"].eq("test")].set_index(["system", "setting", "measure"])["value"]
    assert flat == {key: round(value, 4) for key, value in rows.items()}


def test_figure4_is_drawn(folder):
    assert (folder / "reports/figure4.pdf").read_bytes().startswith(b"%PDF")
    pixels = matplotlib.image.imread(folder / "reports/figure4.png")
    assert min(pixels.shape[:2]) > 300
    assert (pixels[..., :3].min(axis=2) < 0.9).mean() > 0.01, "nearly blank"
    table = (folder / "reports/tables/figure4.md").read_text()
    assert table.count("\n| ") == 2 + len(SETTINGS)
    said = (folder / "reports/tables/pays.md").read_text()
    assert said.startswith("- apidocs-ci: JPQ ") and "\n- apidocs-ci: JPQ 4-bit " in said
    assert table.endswith(said) and (folder / "logs/figure4.log").read_text().endswith(said)


def test_nothing_is_left_to_do(folder):
    assert "Nothing to be done" in run("snakemake", "-n", "--configfile", CI, cwd=folder)
    leftovers = [*folder.glob(f"{DATA}/**/shards/*"), *folder.glob(f"{DATA}/scratch/**/*.*")]
    assert leftovers == [], "temporary files and checkpoints stay"


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        (
            {"sweep": {"M": [7]}},
            "sweep.M: 7 does not divide the dimension 384. Choose one of [1, 2, 3, 4",
        ),
        (
            {"systems": {"itq-lsh": {"M": [64]}}},
            "itq-lsh, systems.itq-lsh.M: 512 bits, 384 dimensions. Leave out M above D / 8",
        ),
        (
            {"systems": {"opq": {"sample": 300}}},
            "sample: 300 documents for 384 dimensions. Train the rotation",
        ),
        (
            {"systems": {"opq-4bit": {"sample": 8}}},
            "sample: 8 documents for K=16. Set it to 16 or more",
        ),
        (
            {"systems": {"ivf-jpq": {"nlist": 900}}},
            "nlist: 900 lists for 800 documents. Choose at least 1",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(folder, tmp_path, overlay, told):
    copy = tmp_path / "copy"
    for path in ("collection", "pretrained/model"):
        shutil.copytree(folder / DATA / path, copy / DATA / path, copy_function=os.link)
    clone(copy)
    (tmp_path / "o.yaml").write_text(yaml.safe_dump(overlay))
    files = ["--configfile", copy / CI, tmp_path / "o.yaml"]
    figure = "figure5" if "ivf-jpq" in overlay.get("systems", {}) else "figure4"
    command = ["--cores", "1", "--allowed-rules", "fits", *files]
    text = run("snakemake", f"{DATA}/fits/{figure}.json", *command, cwd=copy, ok=False)
    assert told in text and "Traceback" not in text
    assert not (copy / DATA / "fits").exists() or not any((copy / DATA / "fits").iterdir())


@pytest.mark.parametrize(
    ("overlay", "again"),
    [
        ({"datasets": {"apidocs-ci": {"seed": 14}}}, "corpus"),
        ({"datasets": {"apidocs-ci": {"documents": 700}}}, "corpus"),
        ({"encoder": {"query_max_length": 16}}, "checkpoint"),
        ({"systems": {"jpq": {"lr": 2.0e-5}}}, "tune"),
        ({"retrieve": {"k": 200}}, "retrieve"),
        ({"results": {"samples": 100}}, "results"),
    ],
    ids=str,
)
def test_what_is_set_anew_is_made_again(folder, tmp_path, overlay, again):
    (tmp_path / "o.yaml").write_text(yaml.safe_dump(overlay))
    files = ["--configfile", CI, tmp_path / "o.yaml"]
    text = run("snakemake", "-n", "reports/figure4.pdf", *files, cwd=folder)
    first = re.search(
        rf"^(?:local)?(?:rule|checkpoint) {again}:\n(?:.*\n)*?    reason: (.*)", text, re.M
    )
    assert "Params have changed" in first[1]


def test_another_sweep_trains_no_encoder_again(folder, tmp_path):
    """STAR waits for the check of all systems, and does not depend on them."""
    (tmp_path / "o.yaml").write_text("sweep: {M: [16, 24]}\n")
    files = ["--configfile", CI, tmp_path / "o.yaml"]
    text = run("snakemake", "-n", "reports/figure4.pdf", *files, cwd=folder)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    assert jobs["fits"] == "1" and jobs["jpq"] == "1"
    assert not {"star", "embed_documents", "checkpoint"} & set(jobs)


def test_long_stages_say_what_they_do(folder):
    logs = folder / "logs/apidocs-ci"
    said = [*logs.glob("*/*-build.log"), *logs.glob("*/*-retrieve.log"), *logs.glob("jpq/M??.log")]
    said += [*logs.glob("*/embed-*.log"), logs / "download.log", logs / "star.log"]
    said += [logs / "corpus.log"]
    assert len(said) > 25
    assert [str(p) for p in said if not p.stat().st_size] == []
    assert "Traceback" not in "".join(p.read_text() for p in folder.glob("logs/**/*.log"))


# Everything that a user of faiss and sentence-transformers does, and nothing of ours.
EXPORT = """
import json, sys
import faiss, pandas as pd
from sentence_transformers import SentenceTransformer
collection, index, encoder = sys.argv[1:]
queries = pd.read_parquet(collection + "/queries.parquet").query("split == 'dev'")
docs = pd.read_parquet(collection + "/corpus.parquet")["doc_id"].to_numpy()
vectors = SentenceTransformer(encoder, device="cpu").encode(queries["text"].tolist())
scores, rows = faiss.read_index(index).search(vectors, 10)
assert "jointir" not in sys.modules
found = {q: [d.tolist(), s.tolist()] for q, d, s in zip(queries["query_id"], docs[rows], scores)}
print(json.dumps(found))
"""


@pytest.mark.parametrize("M", MS)
def test_plain_faiss_and_sentence_transformers_answer_alike(folder, M):
    system = folder / f"{DATA}/systems/jpq/M{M}"
    arguments = (folder / f"{DATA}/collection", system / "index.faiss", system / "query_encoder")
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, *map(str, arguments)],
        env={k: v for k, v in ENV.items() if k != "PYTHONPATH"},
        cwd=folder.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours: dict[str, dict[str, float]] = {}
    for line in _run(folder, "jpq", f"M{M}", "dev"):
        ours.setdefault(line.query_id, {})[line.doc_id] = line.score
    assert theirs.keys() == ours.keys()
    for query, (docs, scores) in theirs.items():
        for rank, (doc, score, own) in enumerate(zip(docs, scores, ours[query], strict=False)):
            # our queries were rounded to float16 on disk: documents this close may swap
            assert math.isclose(score, ours[query][doc], abs_tol=SWAP), (query, rank, doc)
            assert doc == own or abs(ours[query][own] - ours[query][doc]) < SWAP, (query, rank)
