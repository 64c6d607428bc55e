"""The settings by which SEAL's decoder writes n-grams, and documents are ranked by them."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of a search; symbols are the paper's."""

    beam: Annotated[int, Option("n-grams of each length that are written for a query", least=1)]
    unigrams: Annotated[
        int, Option("of n-grams of one token, as many of the likeliest, if above `beam`", least=0)
    ]
    alpha: Annotated[float, Option("exponent of an n-gram's score", above=0)]
    beta: Annotated[
        float,
        Option(
            "share of an n-gram's score that it keeps only for tokens that no better one has",
            least=0,
            most=1,
        ),
    ]
    rescored: Annotated[
        int, Option("first documents that the encoder ranks anew, of the hybrid", least=10)
    ]
