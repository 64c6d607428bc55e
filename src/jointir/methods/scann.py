"""ScaNN: anisotropic codes, searched by its library."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.errors import InputError
from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library

FACTS = Facts(Form.LIBRARY, library="scann")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the codes."""

    M: Annotated[int, Option("bytes a document", least=1)]
    bits: Annotated[int, Option("of a code", among=(4, 8))]
    anisotropic: Annotated[
        float, Option("ScaNN's threshold for documents of length 1; 0: plain codes", least=0)
    ]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_scann import ScaNN

    return ScaNN


def documents_needed(settings: Settings, D: int) -> int:
    """Return the documents that training takes at least: with fewer, ScaNN would keep them whole.

    Raises:
        InputError: the codes of M bytes have no blocks of equal length in D dimensions.
    """
    block_count(D, settings.M, settings.bits)
    return 2**settings.bits


def block_count(D: int, M: int, bits: int) -> int:
    """Return the blocks of dimensions that M bytes of ScaNN's codes make: 8M / bits.

    Raises:
        InputError: they are not of equal length.
    """
    if D % (8 * M // bits):
        fits = [m for m in range(1, D + 1) if D % (8 * m // bits) == 0]
        found = f"{M} bytes are {8 * M // bits} codes, which do not divide {D} dimensions"
        raise InputError("M", found, f"Choose one of {fits}")
    return 8 * M // bits
