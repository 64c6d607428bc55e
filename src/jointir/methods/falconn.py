"""FALCONN: cross-polytope hashing, searched by its library."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, library="falconn", search_parameter="probes")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the hash tables."""

    tables: Annotated[int, Option("hash tables", least=1)]
    hash_functions: Annotated[int, Option("hash functions of a table", least=1)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_falconn import Falconn

    return Falconn


def documents_needed(settings: Settings, D: int) -> int:
    """Return the documents that it takes at least: with one, FALCONN dies."""
    return 2
