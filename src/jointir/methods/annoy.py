"""Annoy: a forest of random projection trees, searched by its library."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, library="annoy", search_parameter="search_k")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the forest."""

    trees: Annotated[int, Option("trees of the forest", least=1)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_annoy import Annoy

    return Annoy
