"""Annoy: a forest of random projection trees, searched best first in all trees at once."""

from pathlib import Path
from typing import Self

import numpy as np
from annoy import AnnoyIndex

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.methods.annoy import FACTS, Settings
from jointir.search.ann.shared import REBUILD, check_search, each_query, read_facts, saved_bytes
from jointir.search.searcher import Searcher

FILE, DESCRIPTION = "index.ann", "annoy.json"


class Annoy(Searcher):
    """Annoy's "dot" metric: trees split lifted documents (Bachrach et al. 2014), scores are exact.

    search_parameter: search_k, the documents that are scored at most, over all trees.
    """

    search_parameter = FACTS.search_parameter

    def __init__(self, index: AnnoyIndex, D: int):
        """Take an index of D dimensions that is built or loaded."""
        self.index, self.D, self.N = index, D, index.get_n_items()

    @classmethod
    def build(cls, docs: np.ndarray, settings: Settings, threads: int) -> Self:
        """See `Searcher`. With more than one thread, the same seed does not give the same trees."""
        N, D = docs.shape
        index = AnnoyIndex(D, "dot")
        index.set_seed(settings.seed)
        for row in range(N):
            index.add_item(row, docs[row].tolist())  # twice as fast as from an array
        index.build(settings.trees, threads)
        return cls(index, D)

    def save(self, folder: Path) -> None:
        """Write index.ann, which holds the documents too, and what it does not tell itself."""
        self.index.save(str(folder / FILE))
        facts = {"D": self.D, "N": self.N, "bytes": (folder / FILE).stat().st_size}
        write_json(folder / DESCRIPTION, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Searcher`. The file is mapped into memory, not read."""
        facts = read_facts(folder / DESCRIPTION, ["D", "N", "bytes"])
        path = folder / FILE
        found = path.stat().st_size if path.is_file() else 0
        if found != facts["bytes"]:  # Annoy maps a part of a file without complaint
            raise InputError(path, f"has {found} bytes, not {facts['bytes']}", REBUILD)
        index = AnnoyIndex(facts["D"], "dot")
        try:
            index.load(str(path))
        except OSError as e:
            raise InputError(path, f"Annoy cannot read it ({e})", REBUILD) from e
        if index.get_n_items() != facts["N"]:
            found = f"holds {index.get_n_items()} documents, not {facts['N']}"
            raise InputError(path, found, REBUILD)
        return cls(index, facts["D"])

    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Searcher`. Annoy lets other threads run while it searches."""
        queries = check_search(self, queries, value)

        def answer(n: int) -> tuple[list[int], list[float]]:
            return self.index.get_nns_by_vector(queries[n].tolist(), k, value, True)

        return each_query(answer, len(queries), k, threads)

    def size(self) -> dict[str, int]:
        """See `Searcher`. Trees and documents are in one file: all is "other"."""
        parts = dict.fromkeys(("codes", "codebooks", "rotation", "ids"), 0)
        return parts | {"other": sum(saved_bytes(self).values())}
