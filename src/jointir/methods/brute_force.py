"""The settings of brute force: exact search over the embeddings of an encoder. It has none."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jointir.basics.settings import Checked
from jointir.methods.facts import DUAL, PRETRAINED, Facts, Form

if TYPE_CHECKING:
    import faiss

FACTS = Facts(Form.EXACT, {"start": (PRETRAINED, *DUAL, "adore")})


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of an index."""


def new(D: int, settings: Settings) -> "faiss.Index":
    """Return the embeddings themselves, compared by inner product."""
    import faiss

    return faiss.IndexFlatIP(D)
