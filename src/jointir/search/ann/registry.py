"""The registry of approximate search: its systems, the folders they fill, and what they share."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from jointir.encode.matrix import read_matrix
from jointir.errors import InputError
from jointir.files import atomic, read_json, write_json
from jointir.progress import heartbeat
from jointir.search.searcher import Searcher

SYSTEMS = {  # imported only when asked: most need a library of the extra
    "annoy": "jointir.search.ann.with_annoy:Annoy",
    "falconn": "jointir.search.ann.with_falconn:Falconn",
    "flann": "jointir.search.ann.with_flann:Flann",
    "imi": "jointir.search.ann.with_faiss:IMI",
    "hnsw": "jointir.search.ann.with_faiss:HNSW",
    "hnsw-opq": "jointir.search.ann.with_faiss:HNSWOPQ",
    "scann": "jointir.search.ann.with_scann:ScaNN",
    "opq-scann": "jointir.search.ann.with_scann:OPQScaNN",
}
LIBRARIES = {  # of the extra, by the name that is imported
    "annoy": "annoy",
    "falconn": "falconn",
    "flann": "pyflann",
    "scann": "scann",
    "opq-scann": "scann",
}
EXTRA = "pip install 'jointir[ann]'"
DESCRIPTION = "index.json"
REBUILD = "Delete it and rerun the stage that writes it"
CHUNK = 65_536  # rows made float32 at a time: memory does not grow with N


def missing(system: str) -> str:
    """Return the library that a system needs and that is not installed, or ""."""
    library = LIBRARIES.get(system, "")
    return library if library and find_spec(library) is None else ""


def searcher_class(system: str) -> type[Searcher]:
    """Return the class of a system.

    Raises:
        InputError: the system is unknown, or its library cannot be imported.
    """
    if system not in SYSTEMS:
        raise InputError("system", f"{system!r} is unknown", f"Choose one of {sorted(SYSTEMS)}")
    module, name = SYSTEMS[system].split(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as e:
        remedy = f"Install the libraries of the extra: {EXTRA}"
        raise InputError(system, f"its library cannot be imported ({e})", remedy) from e


def open_index(path: Path) -> Searcher:
    """Open a folder of `ann_build`, or any faiss index file.

    Raises:
        InputError: it is neither, it is damaged, or its library is not installed.
    """
    if not path.is_dir():
        from jointir.search.ann.with_faiss import open_faiss  # it imports this module

        return open_faiss(path)
    facts = read_facts(path / DESCRIPTION, ["system", "settings", "seed", "D", "N"])
    searcher = searcher_class(facts["system"]).load(path)
    if (searcher.N, searcher.D) != (facts["N"], facts["D"]):
        found = f"holds {searcher.N} documents of {searcher.D} dimensions, {DESCRIPTION} says"
        raise InputError(path, f"{found} {facts['N']} of {facts['D']}", REBUILD)
    return searcher


def read_settings(given: list[str]) -> dict[str, float]:
    """Return the number of each "name=number".

    Raises:
        InputError: one has another form, or comes twice.
    """
    settings: dict[str, float] = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or name in settings:
            raise InputError("settings", f"{one!r}", "Give each once, as name=number")
        settings[name] = int(value) if value.is_integer() else value
    return settings


def ann_build(
    system: str, docs: Path, out: Path, settings: list[str], seed: int = 1, threads: int = 1
) -> None:
    """Build `system` over the embeddings `docs` and write the folder `out`.

    settings: the library's own, each as "name=number". threads: at most; with more than one, the
    libraries of graphs and trees do not build the same index twice.

    Raises:
        InputError: an unknown system or setting, one that does not fit the documents, a library
            that is not installed, or documents that are no matrix of finite numbers.
    """
    kind, numbers = searcher_class(system), read_settings(settings)
    matrix = read_matrix(docs)
    N, D = matrix.shape
    with heartbeat(f"{system}: building over {N} documents"):
        searcher = kind.build(matrix, numbers, seed, threads)
    facts = {"system": system, "settings": numbers, "seed": seed, "D": D, "N": N}
    with atomic(out) as scratch:
        scratch.mkdir()
        searcher.save(scratch)
        write_json(scratch / DESCRIPTION, facts)


def check_search(searcher: Searcher, queries: np.ndarray, value: int) -> np.ndarray:
    """Return the queries as float32[Q, D] in one piece.

    Raises:
        InputError: they have another dimension, or the knob's value is below 1.
    """
    if queries.ndim != 2 or queries.shape[1] != searcher.D:
        found = f"have the shape {queries.shape}, the index {searcher.D} dimensions"
        raise InputError("queries", found, "Use an index and queries of the same encoder")
    if searcher.knob and value < 1:
        raise InputError(searcher.knob, f"{value} is too small", "Set it to 1 or more")
    return np.ascontiguousarray(queries, np.float32)


def read_facts(path: Path, names: list[str]) -> dict:
    """Read a JSON object that has exactly these names.

    Raises:
        InputError: there is none, or another.
    """
    if not path.is_file():
        raise InputError(path, "there is no such file", "Give a folder made by `jointir ann-build`")
    facts = read_json(path)
    if not isinstance(facts, dict) or set(facts) != set(names):
        raise InputError(path, f"does not tell {', '.join(names)}", REBUILD)
    return facts


def saved_bytes(searcher: Searcher) -> dict[str, int]:
    """Return the bytes of each file that `save` writes, by name."""
    with TemporaryDirectory() as folder:
        searcher.save(Path(folder))
        return {path.name: path.stat().st_size for path in Path(folder).iterdir()}


def lifted(docs: np.ndarray) -> np.ndarray:
    """Return [N, D] documents with sqrt(max |d|^2 - |d|^2) appended: float32[N, D + 1].

    All get the length of the longest, so the nearest to (q, 0) is the one with the largest inner
    product with q (Bachrach et al. 2014).
    """
    N, D = docs.shape
    out = np.empty((N, D + 1), np.float32)
    out[:, :D] = docs
    squares = np.einsum("nd,nd->n", out[:, :D], out[:, :D])
    out[:, D] = np.sqrt(squares.max() - squares)
    return out


def each_query(
    answer: Callable[[int], tuple[list[int], list[float]]], Q: int, k: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores float32[Q, k] and rows int64[Q, k], padded with -inf and -1.

    answer: gives rows and scores, best first, of the n-th query; called from `threads` threads.
    """
    scores = np.full((Q, k), -np.inf, np.float32)
    rows = np.full((Q, k), -1, np.int64)

    def fill(n: int) -> None:
        found, own = answer(n)
        rows[n, : len(found)], scores[n, : len(found)] = found, own

    if threads == 1:
        for n in range(Q):
            fill(n)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, range(Q)))
    return scores, rows
