"""BM25, the lexical baseline."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.facts import SPARSE, Facts, Form

FACTS = Facts(
    Form.RANKER,
    reads={"generated": ("expansion=doc2query",)},
    needs_text=True,
    group=SPARSE,
    ranker="search.bm25:BM25",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of a search: all pairs of k1 and b are tried on dev."""

    k1: Annotated[list[float], Option("saturations of a word's frequency, tried on dev", least=0)]
    b: Annotated[
        list[float],
        Option("normalizations by a document's length, tried on dev", least=0, most=1),
    ]
