"""The settings by which ASI's decoder learns the final identifiers."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods.shared import Holdout, Trained
from jointir.settings import Option


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; `holdout` and `seed` are those of the model's own."""

    steps: Annotated[int, Option("batches trained on", least=1)]
    batch: Annotated[
        int, Option("half queries; the others are documents and sentences of documents", least=2)
    ]
    sentences: Annotated[
        int, Option("of a batch, sentences of documents, embedded as queries", least=0)
    ]
    nearby: Annotated[
        float,
        Option("weight of the documents near an example in its targets", least=0, most=1),
    ]
    scale: Annotated[
        float,
        Option(
            "factor on the inner products that say how near, which are divided by the encoder's"
            " mean squared norm",
            above=0,
        ),
    ]
    holdout: Holdout
