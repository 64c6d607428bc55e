"""FLANN: randomized k-d trees, searched by its library."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, library="pyflann", search_parameter="checks")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the forest."""

    trees: Annotated[int, Option("randomized k-d trees", least=1)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_flann import Flann

    return Flann
