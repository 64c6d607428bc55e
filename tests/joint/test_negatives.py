"""JPQ's negatives beside brute force's: sets by hand, the stage on a tiny collection, figure 3."""

import faiss
import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointir.basics.errors import InputError
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.joint.negatives import KINDS, negatives, overlap, typical
from jointir.quantize.pq import read_index, read_pq
from jointir.report.figure3 import SHOWN, figure3
from jointir.train.pairs import training_pairs
from tiny import D, M, make, on_processor


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("negatives"))


@pytest.fixture(scope="module")
@on_processor("")
def made(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    paths = (tiny.collection, tiny.encoder, tiny.docs, [tiny.opq], out / "n.csv", out / "n.parquet")
    negatives(*paths, n=20, M=M, seed=1)
    return out


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_overlap_is_that_of_sets(seed, n):
    rng = np.random.default_rng(seed)
    a, b = (np.stack([rng.permutation(12)[:n] for _ in range(5)]) for _ in range(2))
    loop = [len(set(x) & set(y)) / n for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert overlap(a, b).tolist() == pytest.approx(loop)


def test_the_typical_query_is_nearest_to_the_mean():
    assert typical(np.array([0.0, 1.0, 0.4, 0.6])) == 2


def loop(
    scores: np.ndarray, relevant: list[np.ndarray], among: np.ndarray, n: int
) -> list[set[int]]:
    ranked = (np.argsort(-row, kind="stable") for row in scores)
    return [
        set([d for d in row.tolist() if d in among and d not in own][:n])
        for row, own in zip(ranked, relevant, strict=True)
    ]


def test_the_stage_measures_the_overlap_of_both_searches(tiny, made):
    texts, relevant, _, among, _ = training_pairs(tiny.collection)
    queries = embed_texts(DualEncoder.load(tiny.encoder).eval(), texts, "query", 256, False)
    pq, docs = read_pq(tiny.opq), np.load(tiny.docs).astype("f4")
    exact = loop(queries @ docs.T, relevant, among.rows, 20)
    found = loop(queries @ pq.rotation.T @ pq.decode().T, relevant, among.rows, 20)
    shares = [len(a & b) / 20 for a, b in zip(exact, found, strict=True)]
    (row,) = pd.read_csv(made / "n.csv").itertuples()
    assert (row.M, row.negatives, row.queries) == (M, 20, len(texts))
    assert row.overlap == pytest.approx(np.mean(shares), abs=1e-3)  # ties may fall either way
    assert 0.05 < row.low <= row.overlap <= row.high <= 1
    drawn = pd.read_parquet(made / "n.parquet")
    counts = drawn["kind"].value_counts()
    assert set(counts.index) <= set(KINDS) == set(SHOWN)
    assert counts["query"] == 1 and counts["relevant"] >= 1
    assert counts["both"] + counts["jpq"] == counts["both"] + counts["brute-force"] == 20
    assert counts["both"] / 20 == pytest.approx(np.mean(shares), abs=0.1)
    assert np.isfinite(drawn[["x", "y"]]).all(axis=None)


def test_the_figure_shows_every_point_and_every_m(made, tmp_path):
    paths = [[made / "n.csv"] * 2, [made / "n.parquet"] * 2]
    for name in "ab":
        figure3(*paths, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.05
    with pytest.raises(InputError, match="2 overlaps, 1 pictures"):
        figure3(paths[0], paths[1][:1], tmp_path / "c.pdf", tmp_path / "c.png")


def test_an_index_that_does_not_fit_is_named(tiny, tmp_path):
    paths = (tmp_path / "n.csv", tmp_path / "n.parquet")
    with pytest.raises(InputError, match=rf"M: {M + 1} is not among \[{M}\]"):
        negatives(tiny.collection, tiny.encoder, tiny.docs, [tiny.opq], *paths, M=M + 1)
    np.save(tmp_path / "docs.npy", np.load(tiny.docs)[:, :-1])
    with pytest.raises(InputError, match=rf"docs\.npy: has {D - 1} dimensions, the encoder {D}"):
        negatives(tiny.collection, tiny.encoder, tmp_path / "docs.npy", [tiny.opq], *paths, M=M)
    index = read_index(tiny.opq)
    index.reset()
    index.add(np.load(tiny.docs)[1:])
    faiss.write_index(index, str(tmp_path / "fewer.faiss"))
    with pytest.raises(InputError, match=r"fewer\.faiss: is not of .*docs\.npy"):
        index = [tmp_path / "fewer.faiss"]
        negatives(tiny.collection, tiny.encoder, tiny.docs, index, *paths, M=M)
    assert not any(path.exists() for path in paths)
