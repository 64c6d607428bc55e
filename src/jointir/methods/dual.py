"""The settings of dual encoders that differ from STAR's in their negatives."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods import star
from jointir.methods.facts import DUAL, PRETRAINED, encoder
from jointir.settings import Option

IN_BATCH = "in-batch"
FACTS = encoder(shares=True, start=(PRETRAINED, *DUAL))


@dataclass(frozen=True, kw_only=True)
class Settings(star.Settings):
    """Those of STAR, and where the negatives come from."""

    negatives: Annotated[
        str,
        Option(
            "where hard negatives come from; own: the encoder that is trained; in-batch: there are"
            " none, and the batch's other documents are the negatives of RepBERT's margin loss",
            among=("random", "bm25", "own", IN_BATCH),
        ),
    ]
    refresh: Annotated[
        int, Option("steps after which own negatives are found anew; 0: never", least=0)
    ] = 0
    batch_tokens: Annotated[
        int, Option("padded tokens of a batch that is embedded to find them", least=64)
    ] = 1024
