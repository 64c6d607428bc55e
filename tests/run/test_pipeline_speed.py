"""The systems of figure 5, and how fast they are, in one real run (params/presets/ci.yaml)."""

import gzip
import json
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest

from conftest import N
from jointir.data.store import read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.measure.results import read_results
from jointir.quantize.pq import read_pq
from jointir.search.ann.registry import missing, open_index

DATA, D = "data/apidocs-ci", 384
UNTIMED = ["adore", "opq-4bit"]
SETTINGS = {("hnsw", "efSearch=16"), ("hnsw", "efSearch=128")}
SETTINGS |= {("ivf-jpq", "M=16 nprobe=2"), ("ivf-jpq", "M=16 nprobe=16")}
SETTINGS |= {("annoy", "search_k=6400")} if not missing("annoy") else set()


@pytest.fixture(scope="module")
def folder(pipeline) -> Path:
    return pipeline.folder


@pytest.fixture(scope="module")
def speed(folder) -> pd.DataFrame:
    files = [folder / f"reports/tables/{name}.csv" for name in ("results", "results-speed")]
    rows = read_results(files)  # which refuses a run that stands in both
    return rows[~rows["system"].isin(UNTIMED)]


@pytest.fixture(scope="module")
def latency(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "reports/tables/latency.csv", keep_default_na=False)


def test_speed_holds_what_figure_5_adds_to_figure_4(folder):
    added = read_results([folder / "reports/tables/results-speed.csv"])
    assert {(r.system, r.setting) for r in added.itertuples()} == SETTINGS
    assert len(added) == len(SETTINGS) * 2 * 3  # splits, measures


@pytest.mark.skipif(not missing("annoy"), reason="Annoy is installed here")
def test_a_missing_library_leaves_its_row_out_and_says_so(pipeline):
    assert "annoy is left out: it needs annoy, in the extra `ann`" in pipeline.log


def test_every_system_is_timed_in_every_way(speed, latency):
    pairs = {(r.system, r.setting) for r in speed.itertuples()}
    for stage in ("search", "encode"):
        ways = latency[latency["stage"].eq(stage)].groupby(["system", "setting"])
        found = {key: sorted(zip(own["threads"], own["batch"], strict=True)) for key, own in ways}
        assert found == {pair: [(1, 1), (1, 32), (2, 1), (2, 32)] for pair in pairs}
    assert set(latency["n_docs"]) == {N} and set(latency["dim"]) == {D}
    assert (latency["median_ms"] <= latency["p95_ms"]).all() and (latency["qps"] > 0).all()


def test_the_machine_is_described(folder):
    machine = json.loads((folder / "reports/machine/apidocs-ci.json").read_text())
    assert machine["versions"]["faiss-cpu"] == version("faiss-cpu") and machine["threads"] == 2


def test_4_bit_jpq_keeps_the_codes_of_its_start(folder):
    start = read_pq(folder / DATA / "systems/opq-4bit/M32/index.faiss")
    assert start.codes.shape == (N, 32) and start.centroids.shape == (32, 16, 12)
    whole = faiss.read_index(str(folder / DATA / "systems/jpq-4bit/M32/index.faiss"))
    fast = faiss.downcast_index(whole.index)
    assert isinstance(fast, faiss.IndexPQFastScan)
    trained = faiss.vector_to_array(fast.pq.centroids).reshape(32, 16, 12)
    moved = np.abs(trained - start.centroids).max()
    assert 0 < moved < 0.1
    decoded = trained[np.arange(32), start.codes].reshape(N, D)
    np.testing.assert_allclose(fast.reconstruct_n(0, N), decoded, atol=1e-6)


def test_all_lists_visited_find_what_jpq_finds(folder):
    runs = [f"{DATA}/runs/{s}/test.trec.gz" for s in ("jpq/M16", "ivf-jpq/M16-nprobe16")]
    scores = []
    for path in runs:
        with gzip.open(folder / path, "rt") as lines:
            fields = [line.split() for line in lines]
        scores.append([float(f[4]) for f in fields])
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_dpq_assigned_documents_to_its_trained_centroids(folder):
    pq = read_pq(folder / DATA / "systems/dpq/M16/index.faiss")
    docs = np.load(folder / DATA / "star/docs.npy").astype("f4") @ pq.rotation.T
    parts = docs.reshape(N, 16, -1)
    distances = ((parts[:, :, None] - pq.centroids[None]) ** 2).sum(3)  # [N, M, K]
    own = np.take_along_axis(distances, pq.codes[:, :, None].astype(int), 2)[..., 0]
    np.testing.assert_allclose(own, distances.min(2), atol=1e-5)
    start = read_pq(folder / DATA / "systems/opq/M16/index.faiss")
    assert np.array_equal(pq.rotation, start.rotation)
    assert np.abs(pq.centroids - start.centroids).max() > 0


def test_hnsw_scores_are_inner_products_and_its_answers_nearly_exact(folder):
    docs = np.load(folder / DATA / "star/docs.npy").astype("f4")
    queries = np.load(folder / DATA / "star/queries.npy").astype("f4")
    topics = read_queries(folder / DATA / "collection")
    topics = topics[topics["split"].isin(["dev", "test"])].reset_index(drop=True)
    rows = {doc: i for i, doc in enumerate(read_corpus(folder / DATA / "collection")["doc_id"])}
    of = {query: i for i, query in enumerate(topics["query_id"])}
    run = read_run(folder / DATA / "runs/hnsw/efSearch128/test.trec.gz")
    best = (queries @ docs.T).max(axis=1)
    near = []
    for query, found in run.items():
        first = list(found.items())[:10]
        exact = [queries[of[query]] @ docs[rows[doc]] for doc, _ in first]
        np.testing.assert_allclose([score for _, score in first], exact, atol=1e-4)
        near.append(first[0][1] >= best[of[query]] - 1e-4)
    assert np.mean(near) > 0.95


def test_an_ann_folder_opens_anywhere(folder, tmp_path):
    found = open_index(folder / DATA / "systems/hnsw/index")
    assert (found.N, found.D, found.search_parameter) == (N, D, "efSearch")


def test_tables_show_every_system_once_with_the_values_of_test(folder, speed):
    shown = pd.read_csv(folder / "reports/table1.csv", keep_default_na=False)
    assert sorted(shown["system"]) == sorted(set(speed["system"]))
    test = speed[speed["split"].eq("test")].set_index(["system", "setting", "measure"])["value"]
    for row in shown.itertuples():
        assert shown.loc[row.Index, "MRR@10"] == pytest.approx(
            test[row.system, row.setting, "MRR@10"], abs=1e-5
        )
    times = pd.read_csv(folder / "reports/table2.csv", keep_default_na=False)
    assert times[["system", "setting"]].equals(shown[["system", "setting"]])
    assert times.set_index("system").loc["brute-force", "speed_up"] == 1


@pytest.mark.parametrize("name", ["figure5", "figure_scaling"])
def test_figures_are_drawn(folder, name):
    assert (folder / f"reports/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / f"reports/{name}.png").stat().st_size > 20_000
