"""The ladder's indexes against plain faiss, its table, and the slopes of known curves."""

import json

import faiss
import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure import ladder, scaling
from jointir.measure.ladder import DOCUMENTS, QUERIES, SYSTEMS, TRAINING, grow, new_index, vectors
from jointir.measure.scaling import COLUMNS, slopes
from jointir.search.ann.registry import open_index

D, M, N, SEED = 32, 4, 300, 7
IP = faiss.METRIC_INNER_PRODUCT


def drawn(n: int, kind: int) -> np.ndarray:
    """Return n vectors in one piece."""
    return np.concatenate(list(vectors(n, D, SEED, kind)))


def test_vectors_are_clustered_of_length_1_and_drawn_by_seed_and_kind(monkeypatch):
    monkeypatch.setattr(ladder, "CHUNK", 128)
    monkeypatch.setattr(ladder, "CLUSTERS", 10)
    assert [len(c) for c in vectors(300, D, SEED, DOCUMENTS)] == [128, 128, 44]
    some = drawn(300, DOCUMENTS)
    assert (some.dtype, some.shape) == (np.float32, (300, D))
    np.testing.assert_allclose(np.linalg.norm(some, axis=1), 1, atol=1e-6)
    assert np.array_equal(some, drawn(300, DOCUMENTS))
    assert len(np.unique(np.concatenate([some, drawn(300, QUERIES)]), axis=0)) == 600
    # a vector and its centre have about cosine 1 / sqrt(2), two of a cluster 1 / 2, others 0
    cosines = (some @ drawn(300, QUERIES).T).ravel()
    near = cosines[cosines > 0.3]
    assert 0.05 < len(near) / len(cosines) < 0.2  # 1 in 10 shares the cluster
    assert near.mean() == pytest.approx(0.5, abs=0.1)


def plain(system: str) -> faiss.Index:
    """Return the index of a system without its rotation, made by hand."""
    if system == "brute-force":
        return faiss.IndexFlatIP(D)
    if system == "jpq":
        return faiss.IndexPQ(D, M, 8, IP)
    if system == "jpq-4bit":
        return faiss.IndexPQFastScan(D, 2 * M, 4, IP)
    ivf = faiss.IndexIVFPQ(faiss.IndexFlatIP(D), D, 16, M, 8, IP)  # sqrt(300) is 17.3
    ivf.by_residual = False
    return ivf


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_an_index_answers_like_plain_faiss_of_the_same_parameters(system, tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "SAMPLE", 1000)
    index, train_s, add_s = grow(system, N, D, M, SEED)
    assert min(train_s, add_s) > 0
    rotation = np.eye(D, dtype=np.float32)
    if system != "brute-force":
        transform = faiss.downcast_VectorTransform(index.chain.at(0))
        rotation = faiss.vector_to_array(transform.A).reshape(D, D)
        assert np.abs(rotation - np.eye(D)).max() > 0.1
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(D), atol=1e-5)
    expected = plain(system)
    expected.train(np.ascontiguousarray(drawn(1000, TRAINING) @ rotation.T))
    expected.add(np.ascontiguousarray(drawn(N, DOCUMENTS) @ rotation.T))
    faiss.write_index(index, str(tmp_path / "i.faiss"))
    queries = drawn(50, QUERIES)
    for nprobe in (2, 16):
        if system == "ivf-jpq":
            expected.nprobe = nprobe
        scores, _ = expected.search(np.ascontiguousarray(queries @ rotation.T), 10)
        found, rows = open_index(tmp_path / "i.faiss").search(queries, 10, nprobe, 1)
        np.testing.assert_allclose(found, scores, atol=1e-3)
    if system == "brute-force":
        assert np.array_equal(rows, np.argsort(-queries @ drawn(N, DOCUMENTS).T)[:, :10])


def test_lists_are_about_the_square_root_of_the_documents():
    for size, nlist in ((1, 1), (10**4, 128), (10**5, 256), (10**6, 1024)):
        index = new_index("ivf-jpq", D, M, size, SEED)
        assert faiss.downcast_index(index.index).nlist == nlist


def test_the_stage_on_two_sizes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ladder, "SAMPLE", 1000)
    paths = (tmp_path / "tables/scaling.csv", tmp_path / "machine.json")
    options = {"seconds": 60, "least": 20, "rounds": 2, "threads": 2}
    scaling.scaling(*paths, [600, N], [D], M, 2, **options)
    frame = pd.read_csv(paths[0])
    assert list(frame.columns) == COLUMNS
    keys = frame[["n_docs", "system", "threads"]].itertuples(index=False, name=None)
    assert list(keys) == [(n, s, t) for n in (N, 600) for s in SYSTEMS for t in (1, 2)]
    assert set(frame["batch"]) == {1}
    assert set(frame["dim"]) == {D}
    per_doc = frame.groupby("system")["bytes_per_doc"].unique().map(list).to_dict()
    assert per_doc == {"brute-force": [4 * D], "jpq": [M], "jpq-4bit": [M], "ivf-jpq": [M + 8]}
    assert (frame[["add_s", "median_ms", "qps"]] > 0).all(axis=None)
    assert (frame.loc[~frame["system"].eq("brute-force"), "train_s"] > 0).all()
    assert (frame["index_mb"] >= 0).all()
    for (_, _), rows in frame.groupby(["n_docs", "threads"]):
        times = rows.set_index("system")["median_ms"]
        expected = times["brute-force"] / times
        np.testing.assert_allclose(rows["speedup"], expected, rtol=1e-4)
    assert json.loads(paths[1].read_text())["threads"] == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["machine.json", "scaling.csv", "tables"]
    said = capsys.readouterr().err
    assert slopes(frame).to_string(index=False).splitlines()[0] in said
    assert said.count("ivf-jpq") > 6  # progress, the table and the slopes


def test_slopes_of_known_curves():
    curves = {("a", 32, 1): 1.0, ("a", 32, 2): 0.5, ("a", 64, 1): 0.0, ("b", 32, 1): -0.25}
    sizes = (10**4, 10**5, 10**6)
    rows = [(*key, n, 3 * n**b) for key, b in curves.items() for n in sizes]
    rows.append(("alone", 32, 1, 100, 1.0))
    frame = pd.DataFrame(rows, columns=["system", "dim", "threads", "n_docs", "median_ms"])
    found = slopes(frame).set_index(["system", "dim", "threads"])["b"].to_dict()
    assert found == pytest.approx(curves, abs=1e-9)
    # not only through the ends: least squares of (0, 0), (1, 0), (2, 3) in powers of e
    bent = frame.head(3).assign(n_docs=np.exp([0, 1, 2]), median_ms=np.exp([0, 0, 3]))
    assert slopes(bent)["b"].tolist() == pytest.approx([1.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"M": 5}, r"M: 2 x 5 does not divide the dimension 32\. Choose half"),
        ({"M": 0}, r"M: 2 x 0 does not divide"),
        (
            {"sizes": [N, 0]},
            r"sizes and dims: \[300, 0\] documents of \[32\] dim.*\. Give at least",
        ),
        ({"dims": []}, r"sizes and dims: \[300\] documents of \[\]"),
        ({"seconds": 0}, r"seconds: 0 is not positive\. Raise it"),
        ({"nprobe": 0}, r"nprobe: 0 is not positive"),
        ({"threads": -1}, r"threads: -1 is not positive"),
    ],
)
def test_refusals(change, message, tmp_path):
    options = {"out": tmp_path / "scaling.csv", "machine": tmp_path / "machine.json"}
    options |= {"sizes": [N], "dims": [D], "M": M}
    with pytest.raises(InputError, match=message):
        scaling.scaling(**(options | change))
    assert not list(tmp_path.iterdir())
