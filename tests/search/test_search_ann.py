"""What every approximate index must do, whichever library made it."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.basics.files import read_json, write_json
from jointir.basics.settings import Checked, described
from jointir.methods.brute_force import Settings as Flat
from jointir.methods.known import facts, libraries, module
from jointir.search.ann import registry
from jointir.search.ann.registry import ann_build, open_index, searcher_class
from jointir.search.ann.with_faiss import FaissSearcher
from jointir.search.fits import check_library, typed
from jointir.search.index import index_bytes
from jointir.search.searcher import Searcher

SYSTEMS = libraries()
LIBRARIES = {name: facts()[name].library for name in SYSTEMS if facts()[name].library}
N, D, M = 2000, 32, 16
OPQ = f"M={M} iterations=1 sample=1000"


class Case(NamedTuple):
    """How a system is built, values of its search parameter, and a recall@10 that each passes."""

    settings: str
    values: list[int]
    recall: list[float]


CASES = {
    "annoy": Case("trees=20", [20, 2000], [0.60, 0.95]),
    "falconn": Case("tables=10 hash_functions=2", [10, 200], [0.75, 0.90]),
    "flann": Case("trees=8", [8, 512], [0.25, 0.94]),
    "imi": Case("bits=4", [1, 64], [0.68, 0.94]),
    "hnsw": Case("links=8 ef_construction=100", [1, 64], [0.66, 0.94]),
    "hnsw-opq": Case(f"links=6 ef_construction=40 {OPQ}", [1, 64], [0.55, 0.85]),
    "scann": Case(f"bits=8 M={M} anisotropic=0.2", [0], [0.88]),
    "opq-scann": Case(f"bits=4 anisotropic=0.2 {OPQ}", [0], [0.85]),
}
WHOLE, COMPRESSED = ("imi", "hnsw"), ("hnsw-opq", "scann", "opq-scann")  # with codes told apart
FEW = {"falconn": 1, "imi": 15, "hnsw-opq": 255, "scann": 255, "opq-scann": D - 1}  # too few N


def clustered(n: int, seed: int) -> np.ndarray:
    """Return float32[n, D] around the same 50 centres, some rows three times as long as others."""
    centres = np.random.default_rng(0).normal(size=(50, D))
    rng = np.random.default_rng([1, seed])
    rows = centres[rng.integers(0, 50, n)] + 0.5 * rng.normal(size=(n, D))
    return (rows * rng.uniform(0.5, 1.5, (n, 1))).astype("f4")


DOCS, QUERIES = clustered(N, 0).astype("f2"), clustered(200, 1)
PRODUCTS = QUERIES @ DOCS.astype("f4").T
EXACT = np.argsort(-PRODUCTS, axis=1)[:, :10]


def recall(rows: np.ndarray) -> float:
    """Return recall@10 of int64[Q, k] against exact search."""
    pairs = zip(rows[:, :10], EXACT, strict=True)
    return np.mean([len(set(found) & set(exact)) / 10 for found, exact in pairs])


def settings_of(system: str, **changed: float | None) -> Checked:
    """Return the settings of its case, some of them changed, or taken away."""
    settings = registry.read_settings(CASES[system].settings.split()) | changed
    return typed(system, {name: value for name, value in settings.items() if value is not None})


def built(system: str, docs: np.ndarray = DOCS, seed: int = 1, **changed: float | None) -> Searcher:
    """Return an index with some settings of its case changed, or taken away."""
    settings = settings_of(system, seed=seed, **changed)
    check_library(system, settings, *docs.shape)
    return searcher_class(system).build(docs, settings, 1)


def answers(found: Searcher, system: str, threads: int = 1) -> np.ndarray:
    """Return scores and rows for each value of the search parameter: float64[values, 2, Q, 20]."""
    return np.array([found.search(QUERIES, 20, v, threads) for v in CASES[system].values])


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def system(request) -> str:
    pytest.importorskip(LIBRARIES.get(request.param, "faiss"), reason="needs the extra `ann`")
    return request.param


@pytest.fixture(scope="module")
def folder(system, tmp_path_factory) -> Path:
    """Return the folder in which the stage left an index over float16 documents."""
    out = tmp_path_factory.mktemp(system)
    np.save(out / "docs.npy", DOCS)
    ann_build(system, out / "docs.npy", out / "index", settings_of(system, seed=1))
    return out / "index"


def test_other_metrics_would_not_reach_the_recall_that_is_asked():
    docs = DOCS.astype("f4")
    distances = ((QUERIES[:, None] - docs) ** 2).sum(axis=2)
    cosines = PRODUCTS / np.linalg.norm(docs, axis=1)
    asked = min(case.recall[-1] for case in CASES.values())
    assert recall(FaissSearcher.build(DOCS, Flat(), 1).search(QUERIES, 10, 0, 1)[1]) == 1
    assert recall(np.argsort(distances)) < 0.2 < recall(np.argsort(-cosines)) < 0.4 < asked


def test_neighbours_are_those_of_the_inner_product_and_more_with_a_higher_value(system, folder):
    found, case = open_index(folder), CASES[system]
    got = [recall(found.search(QUERIES, 10, value, 1)[1]) for value in case.values]
    assert all(g >= least for g, least in zip(got, case.recall, strict=True)), got
    assert (np.diff(got) > 0.05).all(), got
    assert (len(got) > 1) == (
        found.search_parameter == searcher_class(system).search_parameter != ""
    )


def test_scores_are_inner_products_best_first_and_short_answers_are_padded(system, folder):
    scores, rows = open_index(folder).search(QUERIES[:50], N + 9, CASES[system].values[-1], 1)
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)
    for query, own, found in zip(PRODUCTS, scores, rows, strict=False):
        held = int((found >= 0).sum())
        assert 10 <= len(set(found[:held])) == held <= N
        assert set(found[held:]) == {-1}
        assert set(own[held:]) == {-np.inf}
        assert (np.diff(own[:held]) <= 0).all()
        if system in COMPRESSED:
            assert np.corrcoef(own[:held], query[found[:held]])[0, 1] > 0.97
            assert abs(np.median(own[:10] / query[found[:10]]) - 1) < 0.1
        else:
            np.testing.assert_allclose(own[:held], query[found[:held]], atol=1e-4)
    if system == "scann":  # its threshold is absolute, but lengths must not matter
        small = built(system, DOCS.astype("f4") / 16).search(QUERIES[:50], 10, 0, 1)[1]
        assert (small == rows[:, :10]).mean() > 0.95


def test_a_loaded_index_is_the_built_one_and_another_seed_gives_another(system, folder, tmp_path):
    one, opened = built(system), open_index(folder)
    one.save(tmp_path)
    (tmp_path / "scann_docids.pkl").write_bytes(b"ScaNN would unpickle this")
    two = searcher_class(system).load(tmp_path)
    assert one.size() == two.size() == opened.size()
    first = answers(one, system)
    assert all(np.array_equal(first, answers(other, system)) for other in (two, opened, one))
    assert np.array_equal(first, answers(built(system, seed=2), system)) == (system == "scann")


def test_its_bytes_are_those_of_its_files(system, folder):
    size = open_index(folder).size()
    assert set(size) == {"codes", "codebooks", "rotation", "ids", "other"}
    files = sum(p.stat().st_size for p in folder.iterdir() if p.name != registry.DESCRIPTION)
    assert sum(size.values()) == files
    assert min(size.values()) >= 0
    assert size["codes"] == N * (4 * D * (system in WHOLE) + M * (system in COMPRESSED))
    assert size["ids"] == (8 * N if system == "imi" else 0)
    assert 0 <= size["rotation"] - (4 * D * D if "opq" in system else 0) < 64


def own_share(found: Searcher, value: int, threads: int) -> float:
    """Return which part of the processor time of searching is the calling thread's."""
    begun, own = time.process_time(), time.thread_time()
    while time.process_time() - begun < 0.3:
        found.search(QUERIES, 10, value, threads)
    return (time.thread_time() - own) / (time.process_time() - begun)


def test_one_thread_is_the_callers_and_two_answer_the_same(system, folder):
    found, value = open_index(folder), CASES[system].values[-1]
    # the best of three: pytest's own threads take some, more on a busy machine
    assert max(own_share(found, value, 1) for _ in range(3)) > 0.97
    assert own_share(found, value, 2) < 0.9
    assert np.array_equal(answers(found, system), answers(found, system, 2))
    one = found.search(QUERIES[7:8], 10, value, 3)[1]
    assert np.array_equal(one, found.search(QUERIES, 10, value, 1)[1][7:8])


def test_queries_of_another_dimension_and_values_below_one(system, folder):
    found = open_index(folder)
    with pytest.raises(InputError, match=r"queries: have the shape \(3, 31\), the index 32 dim"):
        found.search(QUERIES[:3, 1:], 10, 10, 1)
    if found.search_parameter:
        low = 9 if system == "falconn" else 0  # one below its tables
        with pytest.raises(
            InputError, match=rf"^{found.search_parameter}: {low} (is too small|for 10 tables)"
        ):
            found.search(QUERIES, 10, low, 1)


def test_every_file_is_needed_and_needed_whole(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for path in sorted(folder.iterdir()):
        for kept in (None, 0, path.stat().st_size // 2):
            (copy / path.name).unlink()
            if kept is not None:
                (copy / path.name).write_bytes(path.read_bytes()[:kept])
            with pytest.raises(InputError, match=r"copy"):
                open_index(copy)
            shutil.copy(path, copy)
    open_index(copy)


@pytest.mark.parametrize("changed", [*({"system": s} for s in sorted(SYSTEMS)), {"N": 7}, {"D": 7}])
def test_a_folder_of_another_system_or_other_documents(system, folder, tmp_path, changed):
    other = changed.get("system", system)
    pytest.importorskip(LIBRARIES.get(other, "faiss"), reason="needs the extra `ann`")
    copy = shutil.copytree(folder, tmp_path / "copy")
    facts = read_json(copy / registry.DESCRIPTION)
    write_json(copy / registry.DESCRIPTION, facts | changed)
    if facts | changed != facts:
        with pytest.raises(InputError, match=r"copy.* (Delete it|Give a folder|Rerun the stage)"):
            open_index(copy)


def test_settings_that_are_not_the_systems_own(system):
    names = [name for name in described(module(system).Settings) if name != "seed"]
    refused = [({"metric": 1}, f"settings: 'metric' is unknown. Give {', '.join(names)}")]
    refused += [({name: None}, f"settings: '{name}' is missing. Give ") for name in names]
    refused += [({name: -1}, f"--{name.replace('_', '-')}: -1") for name in names]
    for changed, message in refused:
        with pytest.raises(InputError) as e:
            settings_of(system, **changed)
        assert str(e.value).startswith(message)


@pytest.mark.parametrize("given", ["trees", "trees=", "trees=ten", "trees=nan", "trees=1 trees=2"])
def test_settings_that_are_no_numbers(given):
    with pytest.raises(InputError, match=r"settings: 'trees.*Give each once, as name=number"):
        registry.read_settings(given.split())
    assert registry.read_settings(["a=1", "b=1e3", "c=0.5"]) == {"a": 1, "b": 1000, "c": 0.5}


REFUSED = [
    ("hnsw", {"links": 2.5}, r"links: 2\.5 is not whole\. Give a whole number"),
    ("hnsw-opq", {"M": 5}, r"M: 5 does not divide the dimension 32"),
    ("hnsw-opq", {"sample": 255}, r"sample: 255 documents, training takes 256\. Set it to 256"),
    ("opq-scann", {"M": 3}, r"M: 3 bytes are 6 codes, .*Choose one of \[1, 2, 4, 8, 16\]"),
    ("scann", {"bits": 5}, r"bits: 5 is unknown\. Choose one of 4, 8"),
    ("imi", {"docs": DOCS[:, 1:]}, r"imi: 31 dimensions have no equal halves"),
    ("falconn", {"hash_functions": 20}, r"hash_functions: 20: More than 64 .*Choose fewer"),
]


@pytest.mark.parametrize(("system", "changed", "message"), REFUSED)
def test_settings_that_do_not_fit(system, changed, message):
    pytest.importorskip(LIBRARIES.get(system, "faiss"), reason="needs the extra `ann`")
    with pytest.raises(InputError, match=message):
        built(system, **changed)


def test_too_few_documents(system, tmp_path):
    few = FEW.get(system, 0)
    np.save(tmp_path / "docs.npy", DOCS[:few])
    with pytest.raises(InputError, match=rf"docs\.npy: has the|documents: {few}, .*Use a larger"):
        ann_build(system, tmp_path / "docs.npy", tmp_path / "i", settings_of(system))
    assert [p.name for p in tmp_path.iterdir()] == ["docs.npy"]
    found = built(system, DOCS[: few + 1], **({"sample": 0} if "opq" in system else {}))
    assert found.search(QUERIES, 1, 10, 1)[1].max() <= few


def test_documents_that_are_not_finite_or_no_matrix(tmp_path):
    docs = np.vstack([DOCS[:77], np.full((3, D), np.inf)])
    for wrong, found in ((docs, "row 77 holds numbers"), (docs[0], r"has the shape \(32,\)")):
        np.save(tmp_path / "docs.npy", wrong)
        with pytest.raises(InputError, match=rf"docs\.npy: {found}.*Give embeddings"):
            ann_build("hnsw", tmp_path / "docs.npy", tmp_path / "i", settings_of("hnsw"))


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_without_its_library_a_system_names_the_extra(monkeypatch, name):
    for loaded in [one for one in sys.modules if one.startswith("jointir.search.ann.with_")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    assert [registry.missing(system) for system in ("hnsw", name)] == ["", LIBRARIES[name]]
    with pytest.raises(InputError, match=rf"{name}: its library .*{LIBRARIES[name]}.*jointir\[ann"):
        searcher_class(name)


PARAMETERS = {
    "Flat": "",
    "LSH": "",
    "PCA16,IVF200,Flat": "nprobe",
    "PCA16,HNSW8": "efSearch",
}


@pytest.mark.parametrize("kind", PARAMETERS)
def test_any_faiss_file_opens_with_the_search_parameter_of_its_kind(tmp_path, kind):
    metric = faiss.METRIC_L2 if kind == "LSH" else faiss.METRIC_INNER_PRODUCT
    index = faiss.index_factory(D, kind, metric)
    index.train(DOCS.astype("f4"))
    index.add(DOCS.astype("f4"))
    faiss.write_index(index, str(tmp_path / "i.faiss"))
    found = open_index(tmp_path / "i.faiss")
    assert (found.search_parameter, found.N, found.D) == (PARAMETERS[kind], N, D)
    scores, rows = found.search(QUERIES, 10, 64, 1)
    if found.search_parameter:
        assert recall(found.search(QUERIES, 10, 1, 1)[1]) < recall(rows) - 0.05
    else:
        expected, own = index.search(QUERIES, 10)
        assert np.array_equal([scores, rows], [-expected if kind == "LSH" else expected, own])
        assert found.size() == index_bytes(index) | {"other": 0}
    assert (np.diff(scores) <= 0).all()


def test_the_registry_imports_no_library_and_knows_what_it_has_not(tmp_path):
    names = {*LIBRARIES.values(), "faiss"}
    code = f"import sys, {registry.__name__}; print({names} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
    with pytest.raises(InputError, match=r"system: 'hsnw' is unknown\. Choose one of \['annoy', "):
        searcher_class("hsnw")
    (tmp_path / "i.faiss").write_bytes(b"no index")
    with pytest.raises(InputError, match=r"i\.faiss: faiss cannot read it"):
        open_index(tmp_path / "i.faiss")
    with pytest.raises(InputError, match=r"index\.json: there is no such file\. Give a folder"):
        open_index(tmp_path)
