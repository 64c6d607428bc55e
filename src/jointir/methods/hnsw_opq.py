"""HNSW of faiss over codes of OPQ."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods import hnsw
from jointir.methods.facts import Facts, Form
from jointir.quantize.shape import K, check_divides

FACTS = Facts(Form.LIBRARY, search_parameter="efSearch")


@dataclass(frozen=True, kw_only=True)
class Settings(hnsw.Settings):
    """Those of the graph, and of OPQ."""

    M: Annotated[int, Option("sub-quantizers, which are bytes a document", least=1)]
    iterations: Annotated[int, Option("alternations of rotation and codebooks", least=1)]
    sample: Annotated[int, Option("documents that training sees; 0: all", least=0)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_faiss import HNSWOPQ

    return HNSWOPQ


def documents_needed(settings: Settings, D: int) -> int:
    """Return the documents that training takes at least: K, and D for the rotation.

    Raises:
        InputError: M does not divide D.
    """
    check_divides(D, settings.M)
    return max(D, K)
