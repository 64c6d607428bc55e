"""The registry of approximate search: its methods, and the folders they fill."""

import math
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, write_json
from jointir.basics.progress import heartbeat
from jointir.basics.settings import Checked
from jointir.encode.matrix import read_matrix
from jointir.methods import known
from jointir.search.ann.shared import REBUILD, read_facts
from jointir.search.fits import check_library
from jointir.search.searcher import Searcher

EXTRA = "pip install 'jointir[ann]'"
DESCRIPTION = "index.json"


def missing(method: str) -> str:
    """Return the library that a method needs and that is not installed, or ""."""
    library = known.facts()[method].library
    return library if library and find_spec(library) is None else ""


def searcher_class(method: str) -> type[Searcher]:
    """Return the class of a method's indexes.

    Raises:
        InputError: the method is unknown, or its library cannot be imported.
    """
    if method not in known.libraries():
        raise InputError("system", f"{method!r} is unknown", f"Choose one of {known.libraries()}")
    try:
        return known.module(method).searcher()
    except ImportError as e:
        remedy = f"Install the libraries of the extra: {EXTRA}"
        raise InputError(method, f"its library cannot be imported ({e})", remedy) from e


def open_index(path: Path) -> Searcher:
    """Open a folder that a library's index was built into, or any faiss index file.

    Raises:
        InputError: it is neither, it is damaged, or its library is not installed.
    """
    if not path.is_dir():
        from jointir.search.ann.with_faiss import open_faiss  # faiss is loaded when asked

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


def ann_build(method: str, docs: Path, out: Path, settings: Checked, threads: int = 1) -> None:
    """Build an index over the embeddings `docs`, float[N, D], and write the folder `out`.

    method: one of `known.libraries()`. settings: its own. threads: at most; with more than one, the
    libraries of graphs and trees do not build the same index twice.

    Raises:
        InputError: a setting does not fit the documents, the library is not installed, or the
            documents are no matrix of finite numbers.
    """
    kind = searcher_class(method)
    matrix = read_matrix(docs)
    N, D = matrix.shape
    check_library(method, settings, N, D)
    with heartbeat(f"{method}: building over {N} documents"):
        searcher = kind.build(matrix, settings, threads)
    numbers = asdict(settings)
    seed = numbers.pop("seed")
    facts = {"system": method, "settings": numbers, "seed": seed, "D": D, "N": N}
    with atomic(out) as scratch:
        scratch.mkdir()
        searcher.save(scratch)
        write_json(scratch / DESCRIPTION, facts)


def stage(method: str) -> Callable[..., None]:
    """Return the stage `jointir METHOD` of a method that a library builds and searches."""
    kind = known.settings(method)

    def built(docs: Path, out: Path, settings: kind, threads: int = 1) -> None:
        ann_build(method, docs, out, settings, threads)

    says = (known.module(method).__doc__ or "").partition("\n")[0]
    built.__doc__ = f"Build an index, and write its folder. {says}"
    return built
