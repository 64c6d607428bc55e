"""What cannot be built is said before anything is: settings that do not fit, and bad embeddings."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.encode.matrix import read_embeddings, read_matrix, read_query_matrix
from jointir.methods.known import fitted, libraries
from jointir.search.ann.registry import ann_build
from jointir.search.fits import WIDE, check, typed

N, D = 1000, 64
HNSW = {"links": 8, "ef_construction": 40}
OPQ = {"iterations": 1, "sample": 0}
SCANN = {"bits": 4, "M": 16, "anisotropic": 0.2}
LIBRARIES = {
    "annoy": {"trees": 10},
    "falconn": {"tables": 5, "hash_functions": 2},
    "flann": {"trees": 4},
    "imi": {"bits": 4},
    "hnsw": HNSW,
    "hnsw-opq": HNSW | OPQ | {"M": 16},
    "scann": SCANN,
    "opq-scann": SCANN | OPQ,
}
FITTING = {
    "brute-force": {},
    "lsh": {"M": 100},
    "itq-lsh": {"M": 8},
    "ivf-jpq": {"M": 16, "nlist": 1000},
    **{system: {"M": 16, "sample": 500} for system in WIDE if system != "ivf-jpq"},
    **LIBRARIES,
}


def test_every_system_is_known():
    assert set(FITTING) == {*fitted(), *libraries(), *WIDE}
    assert set(fitted()) - set(WIDE) == {"brute-force", "lsh", "itq-lsh"}
    assert set(LIBRARIES) == set(libraries())


@pytest.mark.parametrize("system", FITTING)
def test_what_fits_is_let_pass(system):
    check(system, FITTING[system], N, D)
    for bits in WIDE.get(system, []):
        check(system, FITTING[system] | {"bits": bits}, N, D)


CODES = [(system, bits, 2**bits) for system, among in WIDE.items() for bits in among]
REFUSED = [
    *((s, {"M": 5}, N, D, r"^M: 5 does not divide the dimension 64\. .*32, 64\]") for s in WIDE),
    *((s, {"M": 0}, N, D, r"^M: 0 for .*Choose 1") for s in [*WIDE, "lsh", "itq-lsh"]),
    *((s, {"bits": b}, k - 1, D, rf"^x\.npy: {k - 1} documents for K={k}\.") for s, b, k in CODES),
    *((s, {"bits": 6}, N, D, r"^bits: 6 a code for .*Choose one of \[") for s in WIDE),
    *((s, {}, 900, 1024, r"^x\.npy: 900 documents for 1024 dim") for s in WIDE if s != "pq"),
    ("opq", {"sample": 255}, N, D, r"^sample: 255 documents for K=256\. Set it to 256"),
    ("opq", {"sample": 300}, N, 512, r"^sample: 300 documents for 512 dim.*Train the rotation"),
    ("opq", {"bits": 4, "sample": 20}, N, D, r"^sample: 20 documents for 64 dim"),
    ("itq-lsh", {"M": 9}, N, D, r"^itq-lsh: 72 bits, 64 dimensions\. Leave out M above D"),
    ("itq-lsh", {}, 63, D, r"^x\.npy: 63 documents for 64 bits\. .*leave out M above 7"),
    ("ivf-jpq", {"nlist": 1001}, N, D, r"^nlist: 1001 lists for 1000 documents\. Choose at"),
    ("ivf-jpq", {"nlist": 0}, N, D, r"^nlist: 0 lists"),
    ("imi", {"bits": 10}, N, D, r"^documents: 1000, training takes 1024\. Use a larger"),
    ("imi", {}, N, 63, r"^imi: 63 dimensions have no equal halves"),
    ("falconn", {}, 1, D, r"^documents: 1, training takes 2"),
    ("hnsw", {"links": 1}, N, D, r"^--links: 1 is not at least 2\. Set a number"),
    ("hnsw", {"trees": 1}, N, D, r"^settings: 'trees' is unknown\. Give links, ef_construction"),
    ("hnsw-opq", {"M": 5}, N, D, r"^M: 5 does not divide the dimension 64"),
    ("hnsw-opq", {"sample": 255}, N, D, r"^sample: 255 documents, training takes 256"),
    ("hnsw-opq", {}, 300, 512, r"^documents: 300, training takes 512"),
    ("scann", {"bits": 5}, N, D, r"^--bits: 5 is unknown\. Choose one of 4, 8"),
    ("scann", {"M": 3}, N, D, r"^M: 3 bytes are 6 codes"),
    ("scann", {}, 15, D, r"^documents: 15, training takes 16"),
    ("opq-scann", {}, 63, D, r"^documents: 63, training takes 64"),
    ("annoy", {"trees": 0}, N, D, r"^--trees: 0 is not at least 1"),
    ("flann", {"trees": 2.5}, N, D, r"^trees: 2\.5 is not whole"),
    ("brute-force", {}, 0, D, r"^x\.npy: 0 documents of 64 dimensions"),
    ("hsnw", {}, N, D, r"^system: 'hsnw' is unknown\. Choose one of \['annoy', 'brute"),
]  # fmt: skip


@pytest.mark.parametrize(("system", "changed", "n", "d", "message"), REFUSED)
def test_what_does_not_fit_is_refused(system, changed, n, d, message):
    with pytest.raises(InputError, match=message):
        check(system, FITTING.get(system, {}) | changed, n, d, "x.npy")


def test_no_library_is_loaded_for_it():
    code = "import sys, jointir.search.fits; print({'torch', 'faiss', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def embeddings(kind: str) -> np.ndarray:
    """Return embeddings of length 1, spoiled."""
    rows = np.random.default_rng(0).normal(size=(600, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f2")
    if kind in ("nan", "inf"):
        rows[77, 3] = np.nan if kind == "nan" else -np.inf
    whole = {
        "constant": np.repeat(rows[:1], 600, 0),
        "zeros": np.zeros_like(rows),
        "huge": rows.astype("f4") * 1e30,
        "flat": rows[0],
        "deep": rows[None],
        "empty": rows[:0],
        "no dimension": rows[:, :0],
        "text": np.array([["a", "b"]]),
        "complex": rows.astype("c8"),
        "whole": np.ones((600, 32), "i4"),
    }
    return whole.get(kind, rows)


BAD = {
    "nan": "row 77 holds numbers that are not finite. Give embeddings made by `jointir embed`",
    "inf": "row 77 holds numbers that are not finite",
    "huge": "row 0 holds a number of size ",
    "flat": "has the shape (32,)",
    "deep": "has the shape (1, 600, 32)",
    "empty": "has the shape (0, 32)",
    "no dimension": "has the shape (600, 0)",
    "text": "holds numbers of type <U1",
    "complex": "holds numbers of type complex64",
    "whole": "holds numbers of type int32",
}
SAME = "all 600 rows are the same, so that no document ranks before another. Check the encoder"


@pytest.mark.parametrize("kind", [*BAD, "constant", "zeros"])
def test_bad_embeddings_are_refused_by_every_builder_before_it_writes(tmp_path, kind):
    path = tmp_path / "docs.npy"
    np.save(path, embeddings(kind))
    made = [
        partial(tiny_data.build, system, path, tmp_path / "i", 4, iterations=1)
        for system in fitted()
    ]
    hnsw = typed("hnsw", HNSW)
    made += [lambda: ann_build("hnsw", path, tmp_path / "i", hnsw)]
    for make in [*made, lambda: read_matrix(path)]:
        with pytest.raises(InputError) as caught:
            make()
        assert str(caught.value).startswith(f"{path}: {BAD.get(kind, SAME)}")
    assert [p.name for p in tmp_path.iterdir()] == ["docs.npy"]


@pytest.mark.parametrize("kind", BAD)
def test_bad_queries_are_refused(tmp_path, kind):
    np.save(tmp_path / "q.npy", embeddings(kind))
    with pytest.raises(InputError) as caught:
        read_query_matrix(tmp_path / "q.npy")
    assert BAD[kind] in str(caught.value)


def test_a_query_of_zeros_ranks_nothing_and_one_document_is_enough(tmp_path):
    rows = embeddings("good")
    rows[5] = 0
    np.save(tmp_path / "q.npy", rows)
    with pytest.raises(InputError, match=r"q\.npy: row 5 is all zeros.*Check the encoder"):
        read_query_matrix(tmp_path / "q.npy")
    assert np.array_equal(read_matrix(tmp_path / "q.npy"), rows)  # among documents, one may be 0
    np.save(tmp_path / "q.npy", rows[:1])
    assert np.array_equal(read_query_matrix(tmp_path / "q.npy"), rows[:1].astype("f4"))
    assert len(read_matrix(tmp_path / "q.npy")) == 1


def test_trainings_read_documents_by_the_same_check(tmp_path):
    tiny = tiny_data.make(tmp_path)
    docs = np.load(tiny.docs)
    docs[3, 1] = np.nan
    np.save(tmp_path / "docs.npy", docs)
    with pytest.raises(InputError, match=r"docs\.npy: row 3 holds numbers that are not finite"):
        read_embeddings(tmp_path / "docs.npy", tiny.collection)
