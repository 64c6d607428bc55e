"""The inverted multi-index of faiss."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.errors import InputError
from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, search_parameter="nprobe")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the lists."""

    bits: Annotated[int, Option("2^bits centroids of each half, and 4^bits lists", least=1)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_faiss import IMI

    return IMI


def documents_needed(settings: Settings, D: int) -> int:
    """Return the documents that training takes at least: one a centroid of a half.

    Raises:
        InputError: documents of D dimensions have no equal halves.
    """
    if D % 2:
        raise InputError("imi", f"{D} dimensions have no equal halves", "Choose an even number")
    return 2**settings.bits
