"""Rankers: systems that read queries as text, and their stage, `jointir rank-METHOD`."""

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.progress import say
from jointir.basics.settings import Checked
from jointir.data.store import read_queries
from jointir.data.trec import write_run
from jointir.methods import known
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.search.identical import top

HYBRID = "hybrid"  # what results call the ranking whose first documents an encoder ranked anew


class Ranker(ABC):
    """A system that ranks a collection's documents for queries as text.

    doc_ids: str[N]. setting: what tables call its settings, where several were tried. dim: of what
    it compares, 0 where it compares no vectors. timed: its milliseconds a query are told.
    """

    doc_ids: np.ndarray
    setting: str = ""
    dim: int = 0
    timed: bool = False

    @abstractmethod
    def __init__(self, files: RankerFiles, settings: Checked, options: RankerOptions):
        """Read the documents, and index them where it does.

        Raises:
            InputError: a file or a setting does not fit the collection.
        """

    @abstractmethod
    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return str[Q, k] document ids, "" where fewer are found, and scores [Q, k], best first.

        k may be larger than N, and the rows then shorter.
        """

    @abstractmethod
    def size(self) -> dict[str, int]:
        """Return the bytes of what is searched, told apart; asked after the last search."""

    def numbers(self) -> dict[str, float]:
        """Return what else results tell of it."""
        return {}

    def rescored(self, queries: list[str], found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first of `found`, str[Q, k], as an encoder ranks them, and their scores.

        Of rankers whose FACTS say that they rescore.
        """
        raise NotImplementedError

    def size_rescored(self) -> dict[str, int]:
        """Return what `size` does, with what the second ranking needs."""
        raise NotImplementedError


def ranker_class(method: str) -> type[Ranker]:
    """Return the class of a method that ranks, one of `known.rankers()`."""
    module, _, name = known.facts()[method].ranker.partition(":")
    return getattr(importlib.import_module(f"jointir.{module}"), name)


def rank(
    ranker: Ranker,
    collection: Path,
    out: list[Path],
    meta: Path,
    about: dict[str, object],
    k: int = 100,
    out_hybrid: list[Path] | None = None,
    meta_hybrid: Path | None = None,
) -> None:
    """Write a run of a ranker for each split named in `out`, and its facts to `meta`.

    out, out_hybrid: files named {split}.trec.gz. meta, meta_hybrid: JSONs of what the results tell:
    bytes, and of what is timed the milliseconds of a query. about: dataset, system and seed.
    The queries of all splits are searched at once: a ranker may embed every document for them.
    """
    topics = read_queries(collection)
    topics = topics[topics["split"].isin(map(_split, out))].reset_index(drop=True)
    texts, query_ids = topics["text"].tolist(), topics["query_id"].tolist()
    begun = time.perf_counter()
    found, scores = top(collection, query_ids, k, partial(ranker.search, texts))
    ms = 1000 * (time.perf_counter() - begun) / max(1, len(texts))
    _write(out, topics, found, scores, about)
    _tell(meta, ranker, about | {"setting": ranker.setting}, ranker.size(), ms)
    if out_hybrid and meta_hybrid:
        begun = time.perf_counter()
        ids, values = ranker.rescored(texts, found)
        ms += 1000 * (time.perf_counter() - begun) / max(1, len(texts))  # after the other
        _write(out_hybrid, topics, ids, values, about)
        _tell(meta_hybrid, ranker, about | {"setting": HYBRID}, ranker.size_rescored(), ms)
    say(f"{about['system']} {ranker.setting}: {len(texts)} queries")


def _split(run: Path) -> str:
    return run.name.removesuffix(".trec.gz")


def _write(
    out: list[Path], topics: pd.DataFrame, ids: np.ndarray, scores: np.ndarray, about: dict
) -> None:
    for path in out:
        own = np.flatnonzero(topics["split"].eq(_split(path)))
        names = topics["query_id"][own].tolist()
        write_run(path, names, ids[own], scores[own], about["system"])


def _tell(meta: Path, ranker: Ranker, about: dict, size: dict[str, int], ms: float) -> None:
    N = len(ranker.doc_ids)
    facts = about | {"bytes_per_doc": sum(size.values()) // N, "n_docs": N, "dim": ranker.dim}
    numbers = ranker.numbers() | ({"ms a query": ms} if ranker.timed else {})
    write_json(meta, facts | {"bytes": size} | ({"numbers": numbers} if numbers else {}))


def stage(name: str) -> Callable[..., None]:
    """Return the stage `jointir rank-METHOD` of a method that ranks."""
    method = name.removeprefix("rank-")
    kind, facts = known.search_settings(method), known.facts()[method]

    def of_method(
        files: RankerFiles,
        settings: kind,
        out: list[Path],
        meta: Path,
        dataset: str,
        system: str = method,
        seed: int = 0,
        options: RankerOptions = DEFAULT,
        out_hybrid: list[Path] | None = None,
        meta_hybrid: Path | None = None,
    ) -> None:
        if facts.rescores and not (out_hybrid and meta_hybrid and files.docs):
            told = "--out-hybrid, --meta-hybrid or --docs"
            raise InputError(told, "is missing", f"{method} ranks anew: name all three")
        if facts.trains and files.model is None:
            raise InputError("--model", "is missing", f"{method} is trained: name its model")
        ranker = ranker_class(method)(files, settings, options)
        about = {"dataset": dataset, "system": system, "seed": seed}
        hybrid = (out_hybrid, meta_hybrid) if facts.rescores else (None, None)
        rank(ranker, files.collection, out, meta, about, options.k, *hybrid)

    says = (known.module(method).__doc__ or "").partition("\n")[0]
    of_method.__doc__ = f"Write a run for each split. {says}"
    return of_method


DEFAULT = RankerOptions()
