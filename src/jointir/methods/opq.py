"""The settings of OPQ: optimized product quantization, the start of JPQ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from jointir.basics.settings import Option
from jointir.methods import pq
from jointir.methods.facts import Facts, Form

if TYPE_CHECKING:
    import faiss

FACTS = Facts(Form.INDEX, bits=(8, 4))


@dataclass(frozen=True, kw_only=True)
class Settings(pq.Settings):
    """Those of PQ, and of the rotation."""

    iterations: Annotated[int, Option("alternations of rotation and codebooks", least=1)] = 50
    bits: Annotated[int, Option("of a code; K = 2^bits centroids", among=(8, 4))] = 8


def new(D: int, settings: Settings) -> "faiss.Index":
    """Return a learned rotation, then PQ of K = 2^bits centroids (Ge et al. 2013), untrained."""
    from jointir.quantize.fit import opq

    return opq(D, settings.M, settings.iterations, settings.bits)
