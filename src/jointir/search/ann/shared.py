"""What the libraries of approximate search share: checks, files, answers one query at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.search.searcher import Searcher

REBUILD = "Delete it and rerun the stage that writes it"
CHUNK = 65_536  # rows made float32 at a time: memory does not grow with N


def check_search(searcher: Searcher, queries: np.ndarray, value: int) -> np.ndarray:
    """Return the queries as float32[Q, D] in one piece.

    Raises:
        InputError: they have another dimension, or the search parameter's value is below 1.
    """
    if queries.ndim != 2 or queries.shape[1] != searcher.D:
        found = f"have the shape {queries.shape}, the index {searcher.D} dimensions"
        raise InputError("queries", found, "Use an index and queries of the same encoder")
    if searcher.search_parameter and value < 1:
        raise InputError(searcher.search_parameter, f"{value} is too small", "Set it to 1 or more")
    return np.ascontiguousarray(queries, np.float32)


def read_facts(path: Path, names: list[str]) -> dict:
    """Read a JSON object that has exactly these names.

    Raises:
        InputError: there is none, or another.
    """
    if not path.is_file():
        raise InputError(
            path, "there is no such file", "Give a folder that a library's index was built into"
        )
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
