"""The settings by which NOVO (Wang et al. 2023) chooses the n-grams of each document."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.shared import Holdout, Scale, Trained


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of the query model that tells which words matter; `holdout` is the decoder's, too."""

    batch: Annotated[int, Option("documents a batch, each with a query", least=1)]
    noise: Annotated[
        float,
        Option(
            "share of the components of a document's embedding that the query model does not see",
            least=0,
            below=1,
        ),
    ]
    ngrams: Annotated[int, Option("n-grams that are a document's identifier", least=1)]
    words: Annotated[int, Option("words of an n-gram, at most", least=1)]
    scale: Scale
    holdout: Holdout
