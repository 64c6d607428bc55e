"""The settings of OPQ: optimized product quantization, the start of JPQ."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods import pq
from jointir.settings import Option


@dataclass(frozen=True, kw_only=True)
class Settings(pq.Settings):
    """Those of PQ, and of the rotation."""

    iterations: Annotated[int, Option("alternations of rotation and codebooks", least=1)] = 50
    bits: Annotated[int, Option("of a code; K = 2^bits centroids", among=(8, 4))] = 8
