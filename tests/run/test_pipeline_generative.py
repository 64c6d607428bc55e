"""The generative models' artifacts of one real run (params/presets/ci.yaml), value by value."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from conftest import N
from jointir.data.store import read_qrels, read_queries
from jointir.data.trec import read_run
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.generative.ids import keys, read_ids

DATA, L, V = "data/apidocs-ci", 4, 256
SYSTEMS = ["asi++", "asi", "residual-ids", "dsi-atomic"]
SHAPES = {"dsi-atomic": (1, N)}  # L and V, where they are not those above


@pytest.fixture(scope="module")
def folder(pipeline) -> Path:
    return pipeline.folder


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "reports/tables/results-asi.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def numbers(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "reports/tables/asi.csv", keep_default_na=False)


def trained(folder: Path, system: str) -> Path:
    return folder / DATA / "generative" / system / "seed1"


def found(answers: pd.DataFrame, group: Counter, wanted: str, k: int) -> float:
    """Return the chance that a document of `wanted` is among the first k of the answers.

    Those who share an identifier come in random order: of a group of g that begins after n others,
    k - n are within the cut.
    """
    before = 0
    for key in keys(answers.sort_values("rank")):
        if key == wanted:
            return min(1.0, max(0, k - before) / group[key])
        before += group[key]
    return 0.0


@pytest.mark.parametrize(
    ("decoding", "setting"), [("free", "free"), ("constrained", "prefix tree")]
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_expectations_are_those_of_ids_and_answers(folder, table, system, decoding, setting):
    own = trained(folder, system)
    ids = pd.read_parquet(own / "ids.parquet")
    key_of = dict(zip(ids["doc_id"], keys(ids), strict=True))
    group = Counter(key_of.values())
    answers = pd.read_parquet(own / "answers.parquet")
    answers = answers[answers["split"].eq("test") & answers["decoding"].eq(decoding)]
    qrels = read_qrels(folder / DATA / "collection/qrels/test.trec")
    relevant = dict(zip(qrels["query_id"], qrels["doc_id"], strict=True))
    lists = dict(list(answers.groupby("query_id")))
    assert set(lists) == set(relevant)
    rows = table[table["system"].eq(system) & table["split"].eq("test")]
    rows = rows.set_index(["setting", "measure"])["value"]
    for k in (1, 5, 10):
        each = [found(lists[q], group, key_of[d], k) for q, d in relevant.items()]
        assert float(rows[setting, f"R@{k}"]) == pytest.approx(np.mean(each), abs=1e-6)
    correct = [key_of[d] in set(keys(lists[q])) for q, d in relevant.items()]
    assert float(rows[f"{setting}, correct id", "R@10"]) == pytest.approx(
        np.mean(correct), abs=1e-6
    )
    if decoding == "constrained":
        assert set(keys(answers)) <= set(group)


@pytest.mark.parametrize("system", SYSTEMS)
def test_hybrid_answers_are_the_encoders_order_of_the_beams_documents(folder, table, system):
    own = trained(folder, system)
    doc_ids, ids = read_ids(own / "ids.parquet")
    key_of = dict(zip(doc_ids, map(tuple, ids.tolist()), strict=True))
    docs = own / "docs.npy" if (own / "docs.npy").exists() else folder / DATA / "star/docs.npy"
    vector = dict(zip(doc_ids, np.load(docs).astype(np.float64), strict=True))
    run = read_run(own / "hybrid/test.trec.gz")
    qrels = read_qrels(folder / DATA / "collection/qrels/test.trec")
    relevant = dict(zip(qrels["query_id"], qrels["doc_id"], strict=True))
    assert set(run) == set(relevant)
    topics = read_queries(folder / DATA / "collection", "test")
    encoder = DualEncoder.load(own / "model/encoder")
    e = encoder(encoder.tokenize(topics["text"].tolist(), "query")).detach().double().numpy()
    for query, embedding in zip(topics["query_id"], e, strict=True):
        found = list(run[query])
        assert len({key_of[doc] for doc in found}) <= 50
        scores = np.array([vector[doc] @ embedding for doc in found])
        np.testing.assert_allclose(list(run[query].values()), scores, atol=0.01)  # bfloat16
        assert (np.diff(scores) < 0.01).all()
        if len(found) < 100:  # all documents of each identifier
            known = {key_of[doc] for doc in found}
            assert {doc for doc, key in key_of.items() if key in known} == set(found)
    rows = table[table["system"].eq(system) & table["setting"].eq("hybrid")]
    value = rows[rows["split"].eq("test")].set_index("measure")["value"]["R@10"]
    hits = [doc in list(run[query])[:10] for query, doc in relevant.items()]
    assert float(value) == pytest.approx(np.mean(hits), abs=1e-6)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_numbers_count_the_ids(folder, numbers, system):
    _, ids = read_ids(trained(folder, system) / "ids.parquet")
    length, most = SHAPES.get(system, (L, V))
    assert ids.shape == (N, length) and ids.min() >= 0 and ids.max() < most
    if system == "dsi-atomic":
        assert ids[:, 0].tolist() == list(range(N))
    rows = numbers[numbers["system"].eq(system) & numbers["setting"].eq("")]
    rows = rows.set_index("measure")["value"]
    counts = Counter(map(tuple, ids.tolist()))
    assert float(rows["unique ids"]) == len(counts)
    assert float(rows["documents an id, max"]) == max(counts.values())
    assert float(rows["alone"]) == pytest.approx(sum(c == 1 for c in counts.values()) / N)
    used = V if system not in SHAPES else ids.max() + 1
    assert float(rows["empty share"]) == pytest.approx(1 - len(counts) / float(used) ** length)


def test_residual_ids_are_residual_codes_of_the_starting_encoder(folder):
    """By each token's mean of what is left: codebooks, and k-means depends on the threads."""
    _, ids = read_ids(trained(folder, "residual-ids") / "ids.parquet")
    rest = np.load(folder / DATA / "star/docs.npy").astype(np.float32)
    for tokens in ids.T:
        book = np.full((V, rest.shape[1]), np.inf, np.float32)
        for v in set(tokens):
            book[v] = rest[tokens == v].mean(0)
        apart = np.square(rest[:, None] - book[None]).sum(2)  # [N, V]
        own = apart[np.arange(N), tokens]
        # but for the few whose cell moved after k-means' last assignment
        assert (own <= apart.min(1) + 1e-5).mean() > 0.98
        assert own.mean() < 0.7 * np.square(rest).sum(1).mean()  # .26 .63 .50 .42 in a run
        rest = rest - book[tokens]


@pytest.mark.parametrize("system", ["asi++", "asi"])
def test_joint_training_moves_the_encoder_and_train_decoder_only_the_decoder(folder, system):
    own = trained(folder, system)
    name = "model.safetensors"
    start, joint, final = (
        {k: v for f in sorted(path.rglob(name)) for k, v in load_file(f).items()}
        for path in (folder / DATA / "star/model", own / "joint/encoder", own / "model/encoder")
    )
    assert start.keys() == joint.keys() and any((start[k] != joint[k]).any() for k in start)
    assert all((joint[k] == final[k]).all() for k in joint)
    parts = [load_file(own / part / "generative.safetensors") for part in ("joint", "model")]
    same = {k for k in parts[0] if np.array_equal(parts[0][k], parts[1][k])}
    assert {k.split(".")[0] for k in parts[1].keys() - same} == {"decoder"}
    assert parts[0].keys() == parts[1].keys()


def test_table_1_shows_the_baselines_and_every_system(folder):
    text = (folder / "reports/asi_table1.md").read_text()
    assert f"Dataset apidocs-ci, {N} documents" in text
    names = {"bm25": "BM25", "brute-force": "brute force (STAR)"}
    for system, name in (names | {"bm25-expanded": "BM25 + doc2query-MiniLM"}).items():
        values = pd.read_parquet(folder / DATA / f"generative/baselines/{system}/flat/test.parquet")
        value = values[values["measure"].eq("R@10")]["value"].mean()
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        assert f"| {value:.3f} |" in row and value > 0.3
    for name in ("ASI", "ASI++", "residual codes, fixed", "DSI-Atomic"):
        assert f"| {name} | prefix tree |" in text
        assert f"| {name} | hybrid (beam 50) |" in text


def test_systems_are_compared_over_the_queries_of_a_split(folder, table):
    compared = pd.read_csv(folder / "reports/tables/comparisons-asi.csv")
    mean = table.set_index(["split", "measure", "system", "setting"])["value"]
    others = set(SYSTEMS) - {"asi++"}
    assert set(compared["system"]) == others and len(compared) == len(others) * 2 * 4 * 5
    for row in compared.itertuples():
        own, other = (mean[row.split, row.measure, s, row.setting] for s in (row.system, "asi++"))
        assert row.difference == pytest.approx(own - other, abs=2e-6)
        assert row.p <= row.p_holm <= 1


def test_documents_are_expanded_by_queries_that_find_them(folder):
    own = folder / DATA / "expand"
    queries = pd.read_parquet(own / "queries.parquet")
    told = json.loads((own / "queries.json").read_text())
    assert told["generator"] == "doc2query-MiniLM" and told["documents"] == N
    assert told["kept"] == len(queries) and told["expanded"] == queries["doc_id"].nunique() > 0
    assert queries.groupby("doc_id").size().max() <= 2  # of each document two are written
    encoder = DualEncoder.load(folder / DATA / "star/model").eval()
    docs = np.load(folder / DATA / "star/docs.npy").astype(np.float32)
    ids = pd.read_parquet(folder / DATA / "collection/corpus.parquet")["doc_id"].tolist()
    some = queries.iloc[:: max(1, len(queries) // 20)]
    scores = embed_texts(encoder, some["text"].tolist(), "query", 4096, False) @ docs.T
    for row, doc_id, rank in zip(scores, some["doc_id"], some["rank"], strict=True):
        higher = (row > row[ids.index(doc_id)]).sum()
        assert rank <= 10 and abs(1 + higher - rank) <= 1  # rounding may change two places


def test_table_7_shows_documents_that_share_an_identifier(folder):
    ids = pd.read_parquet(trained(folder, "asi++") / "ids.parquet")
    group = Counter(keys(ids))
    lines = (folder / "reports/asi_table7.md").read_text().splitlines()
    rows = [
        line.strip("| ").split(" | ") for line in lines if line[:3] != "| -" and line[:2] == "| "
    ]
    assert len(rows) == 6  # the heading, five identifiers
    for identifier, number, _, documents in rows[1:]:
        assert group[identifier] == int(number) > 1
        assert len(documents.split("; ")) == min(4, int(number))


def test_figures_and_meta_are_there(folder):
    for name in ("asi_figure1", "asi_figure3", "asi_figure5", "asi_figure6"):
        assert (folder / f"reports/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"reports/{name}.png").stat().st_size > 10_000
    for system in SYSTEMS:
        facts = json.loads((trained(folder, system) / "meta.json").read_text())
        assert facts["system"] == system and facts["parameters"] > 22_000_000
        assert set(facts["ms_per_query"]) == {"free", "constrained", "hybrid"}
        assert facts["beam"] == {"free": 10, "constrained": 10, "hybrid": 50}
        assert facts["bytes"]["hybrid"]["embeddings"] == N * 384 * 2
        assert facts["bytes"]["free"]["embeddings"] == 0
