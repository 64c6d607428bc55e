"""The registry of approximate search: its systems, and the folders they fill."""

import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from jointir.encode.matrix import read_matrix
from jointir.errors import InputError
from jointir.files import atomic, write_json
from jointir.progress import heartbeat
from jointir.search.ann.shared import REBUILD, read_facts
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
