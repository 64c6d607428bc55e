"""The settings of LSH: signs of random projections, 8M bits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built

if TYPE_CHECKING:
    import faiss

FACTS = Facts(Form.INDEX, counts_bits=True)


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""


def new(D: int, settings: Settings) -> "faiss.Index":
    """Return signs of 8M random projections, for the Hamming distance (Indyk and Motwani 1998)."""
    import faiss

    return faiss.IndexLSH(D, 8 * settings.M)
