"""The settings of ITQ-LSH: signs after iterative quantization, 8M bits."""

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
    """Return signs of 8M dimensions rotated by iterative quantization (Gong et al. 2012)."""
    import faiss

    bits = 8 * settings.M
    transform = faiss.ITQTransform(D, bits, bits < D)
    return faiss.IndexPreTransform(transform, faiss.IndexLSH(bits, bits, False))
