"""What every registered system must do, and the build and retrieve stages that use it."""

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.data.store import read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.encode.embed import embed
from jointir.measure.retrieve import retrieve
from jointir.methods.known import fitted, settings
from jointir.quantize.pq import read_index
from jointir.search.ann.registry import open_index
from jointir.search.build import sample_rows
from jointir.search.fits import check_bits
from jointir.search.index import index_bytes, new_index
from tiny import D, M, N, build, make, save_encoder

OF_4_BITS = "opq-4bit"  # OPQ again, with other codes
BYTES = {"brute-force": 4 * D, "pq": M, "opq": M, "opq-4bit": M / 2, "lsh": M, "itq-lsh": 4}
# of 10 neighbours by inner product; 1000 documents in 50 clusters, 100 queries
RECALL_AT_LEAST = {
    "brute-force": 1.0,
    "pq": 0.6,
    "opq": 0.6,
    "opq-4bit": 0.45,
    "lsh": 0.2,
    "itq-lsh": 0.2,
}


CENTROIDS = {"pq": 256, "opq": 256, "opq-4bit": 16}


def width(system: str) -> int:
    """Return M for a system: what the embeddings' dimension allows."""
    return 4 if system == "itq-lsh" else M


def build_one(system: str, docs: Path, out: Path) -> None:
    """Build one of BYTES."""
    method, bits = ("opq", 4) if system == OF_4_BITS else (system, 8)
    build(method, docs, out, width(system), iterations=5, bits=bits)


def clustered(n: int, seed: int) -> np.ndarray:
    """Return float32[n, D] of length 1 around the same 50 centres, whatever the seed."""
    centres = np.random.default_rng(0).normal(size=(50, D))
    rng = np.random.default_rng([1, seed])
    rows = centres[rng.integers(0, 50, n)] + 0.4 * rng.normal(size=(n, D))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")


DOCS, QUERIES = clustered(1000, 0), clustered(100, 1)


@pytest.fixture(scope="module", params=sorted([*fitted(), OF_4_BITS]))
def built(request, tmp_path_factory) -> tuple[str, Path]:
    """Return a system and the file in which the build stage left it."""
    folder = tmp_path_factory.mktemp(request.param)
    np.save(folder / "docs.npy", DOCS.astype("f2"))
    build_one(request.param, folder / "docs.npy", folder / "i.faiss")
    return request.param, folder / "i.faiss"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("search"))


def test_every_system_is_tested():
    assert set(BYTES) == set(RECALL_AT_LEAST) == {*fitted(), OF_4_BITS}


def test_plain_faiss_opens_it_and_answers_the_same_after_saving(built, tmp_path):
    whole = faiss.read_index(str(built[1]))
    assert (whole.d, whole.ntotal, whole.is_trained) == (D, 1000, True)
    faiss.write_index(whole, str(tmp_path / "again.faiss"))
    again = read_index(tmp_path / "again.faiss")
    for one, other in zip(whole.search(QUERIES, 20), again.search(QUERIES, 20), strict=True):
        assert np.array_equal(one, other)


def test_its_neighbours_are_those_of_the_inner_product(built):
    system, path = built
    rounded = DOCS.astype("f2").astype("f4")
    exact = np.argsort(-QUERIES @ rounded.T, axis=1)[:, :10]
    _, found = read_index(path).search(QUERIES, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])
    assert recall >= RECALL_AT_LEAST[system]
    assert recall <= (1 if system == "brute-force" else 0.99)


def test_it_ranks_by_its_metric(built):
    system, path = built
    whole = read_index(path)
    scores, rows = whole.search(QUERIES, 30)
    if "lsh" in system:
        codes, own = (
            np.unpackbits(whole.sa_encode(x), axis=1) for x in (DOCS.astype("f2"), QUERIES)
        )
        distances = (own[:, None] != codes[None]).sum(2)
        assert np.array_equal(scores, np.sort(distances, axis=1)[:, :30])
        assert np.array_equal(scores, np.take_along_axis(distances, rows, 1))
        return
    assert whole.metric_type == faiss.METRIC_INNER_PRODUCT
    decoded = whole.reconstruct_n(0, 1000)
    expected = QUERIES @ decoded.T
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :30], atol=1e-5)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, 1), atol=1e-5)


def test_its_bytes_are_those_of_its_file(built):
    system, path = built
    size = index_bytes(read_index(path))
    assert size["codes"] == 1000 * BYTES[system]
    assert size["codebooks"] == 4 * CENTROIDS.get(system, 0) * D
    # ITQ's file also holds its mean and the parts that its one rotation was multiplied from
    spare = 4 * (D + (8 * width(system)) ** 2) if system == "itq-lsh" else 0
    assert 0 <= path.stat().st_size - spare - sum(size.values()) < 1024
    assert size["ids"] == 0


def test_building_twice_gives_the_same_bytes(built, tmp_path):
    system, path = built
    again = tmp_path / "i.faiss"
    build_one(system, path.parent / "docs.npy", again)
    assert again.read_bytes() == path.read_bytes()


def test_it_is_opened_with_the_same_neighbours_and_4_bits_by_fast_scan(built):
    system, path = built
    opened = open_index(path)
    assert isinstance(opened.inner, faiss.IndexPQFastScan) == (system == OF_4_BITS)
    scores, rows = opened.search(QUERIES, 10, 0, 1)
    expected = faiss.read_index(str(path)).search(QUERIES, 10)
    if system != OF_4_BITS:
        assert np.array_equal(rows, expected[1])
        return
    np.testing.assert_allclose(scores, expected[0], atol=0.02)  # tables are rounded to 8 bits
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(rows, expected[1], strict=True)]
    assert np.mean(shared) > 0.9


def test_the_retrieve_stage_refuses_another_dimension(built, tiny, tmp_path):
    system, path = built
    other = save_encoder(tmp_path / "other", hidden=16)
    embed(tiny.collection, other, tmp_path / "q.npy", "query", ["dev"])
    with pytest.raises(InputError, match=rf"i\.faiss: has {D} dimensions, the queries in .* 16\."):
        run(tiny, path, tmp_path / "q.npy", tmp_path, system, ("dev",))


def run(tiny, index: Path, queries: Path, out: Path, system: str, splits=("dev", "test")) -> dict:
    """Run the retrieve stage; return what it says of the index."""
    runs = [out / f"{s}.trec.gz" for s in splits]
    names = {"dataset": "tiny", "system": system, "setting": f"M={M}", "seed": 7, "k": 100}
    retrieve(tiny.collection, index, queries, runs, out / "meta.json", **names)
    return json.loads((out / "meta.json").read_text())


@pytest.mark.parametrize("system", ["opq", "lsh", "brute-force"])
def test_runs_hold_the_search_result_of_every_query(tiny, tmp_path, system):
    build(system, tiny.docs, tmp_path / "i.faiss", M, iterations=2)
    meta = run(tiny, tmp_path / "i.faiss", tiny.queries, tmp_path, system)
    per_doc = BYTES[system]
    rotation = {"opq": 4 * D * D, "lsh": 4 * D * 8 * M, "brute-force": 0}[system]
    books = 4 * 256 * D if system == "opq" else 0
    size = {"codes": per_doc * N, "codebooks": books, "rotation": rotation, "ids": 0, "other": 0}
    expected = {"dataset": "tiny", "system": system, "setting": f"M={M}", "seed": 7}
    expected |= {"bytes_per_doc": per_doc, "n_docs": N, "dim": D, "bytes": size}
    assert meta == expected

    queries = read_queries(tiny.collection)
    ids = read_corpus(tiny.collection)["doc_id"].to_numpy()
    scores, rows = read_index(tmp_path / "i.faiss").search(np.load(tiny.queries), 100)
    held = queries[queries["split"].isin(["dev", "test"])].reset_index(drop=True)
    for split in ("dev", "test"):
        found = read_run(tmp_path / f"{split}.trec.gz")
        assert list(found) == held["query_id"][held["split"].eq(split)].tolist()
        for at, (query, split_of) in enumerate(zip(held["query_id"], held["split"], strict=True)):
            if split_of == split:
                assert list(found[query]) == ids[rows[at]].tolist()
                sign = -1 if system == "lsh" else 1
                np.testing.assert_allclose(
                    list(found[query].values()), sign * scores[at], atol=1e-4
                )


def test_one_split_alone_needs_its_own_queries(tiny, tmp_path):
    with pytest.raises(InputError, match=r"queries\.npy: holds 20 queries, the splits 10\. Embed"):
        run(tiny, tiny.opq, tiny.queries, tmp_path, "opq", ("dev",))
    assert not list(tmp_path.iterdir())


def test_an_index_of_another_collection(tiny, tmp_path):
    np.save(tmp_path / "docs.npy", np.load(tiny.docs)[:300])
    build("opq", tmp_path / "docs.npy", tmp_path / "i.faiss", M, iterations=2)
    with pytest.raises(InputError, match=rf"i\.faiss: holds 300 documents, the collection {N}\."):
        run(tiny, tmp_path / "i.faiss", tiny.queries, tmp_path, "opq")


def untrained(method: str, **given: int):
    return new_index(method, D, settings(method)(**given))


def test_unknown_methods_and_wrong_widths_are_refused():
    for method in ("pw", "jpq"):
        words = rf"method: '{method}' is unknown\. Choose one of \['brute-force', 'itq-lsh'"
        with pytest.raises(InputError, match=words):
            new_index(method, D, settings("opq")(M=M))
    with pytest.raises(InputError, match=r"itq-lsh: 40 bits, 32 dimensions\. Leave out M above D"):
        untrained("itq-lsh", M=5)
    untrained("itq-lsh", M=4)
    for method in ("pq", "opq"):
        with pytest.raises(InputError, match=r"M: 5 does not divide the dimension 32"):
            untrained(method, M=5)


def test_codes_of_other_bits_are_refused():
    with pytest.raises(InputError, match=r"--bits: 5 is unknown\. Choose one of 8, 4"):
        untrained("opq", M=M, bits=5)
    for method, bits, fits in (("opq", 5, "8, 4"), ("pq", 4, "8"), ("lsh", 4, "8")):
        words = rf"bits: {bits} a code for {method}\. Choose one of \[{fits}\]"
        with pytest.raises(InputError, match=words):
            check_bits(method, bits)


@pytest.mark.parametrize("method", ["lsh", "itq-lsh", "pq", "opq"])
def test_no_bytes_a_document_are_refused(method):
    with pytest.raises(InputError, match=r"M: 0 "):
        untrained(method, M=0)


def test_a_sample_is_drawn_by_its_seed_and_in_order():
    matrix = np.arange(200, dtype="f2").reshape(100, 2)
    a, b, c = (sample_rows(matrix, 30, seed) for seed in (1, 1, 2))
    assert (a.dtype, a.shape) == (np.float32, (30, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert (np.diff(a[:, 0]) > 0).all()
    for everything in (0, 100, 101):
        assert np.array_equal(sample_rows(matrix, everything, 1), matrix)
