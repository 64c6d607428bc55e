"""HNSW of faiss: a graph of small worlds over whole embeddings."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, search_parameter="efSearch")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the graph."""

    links: Annotated[int, Option("links of a document in each layer of the graph", least=2)]
    ef_construction: Annotated[
        int, Option("documents that are looked at to find the links of one", least=1)
    ]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_faiss import HNSW

    return HNSW
