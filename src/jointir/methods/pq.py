"""The settings of PQ: product quantization without a rotation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built

if TYPE_CHECKING:
    import faiss

FACTS = Facts(Form.INDEX, bits=(8,))


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""

    sample: Annotated[int, Option("documents trained on; 0: all", least=0)] = 0


def new(D: int, settings: Settings) -> "faiss.Index":
    """Return PQ of the embeddings as they are (Jegou et al. 2010), untrained."""
    from jointir.quantize.fit import pq

    return pq(D, settings.M)
