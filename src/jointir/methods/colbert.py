"""ColBERT: late interaction."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.arguments import EncoderFiles, SampleOptions
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import HardNegatives, RandomWeight

FACTS = Facts(
    Form.RANKER,
    trains=True,
    needs_text=True,
    ranker="retrievers.late_search:LateSearch",
    held=5,
)


@dataclass(frozen=True, kw_only=True)
class Settings(HardNegatives):
    """Of a training; scores have no scale, for those of a query's tokens add up."""

    random_weight: RandomWeight
    dim: Annotated[int, Option("dimensions of a token's embedding", least=1)]
    head_lr: Annotated[
        float,
        Option(
            "AdamW's highest learning rate for the projection, which starts at random",
            above=0,
            most=1,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Search(Checked):
    """Of a search. It has none: every document is ranked."""


def train(files: EncoderFiles, settings: Settings, dev: SampleOptions) -> None:
    """Train late interaction on BM25's negatives and the batch's."""
    from jointir.retrievers.colbert import colbert

    colbert(files, settings, dev)
