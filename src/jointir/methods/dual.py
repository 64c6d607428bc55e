"""A dual encoder that differs from STAR's in its negatives."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods import star
from jointir.methods.arguments import EncoderFiles, SampleOptions
from jointir.methods.facts import DUAL, PRETRAINED, encoder

IN_BATCH = "in-batch"
FACTS = encoder({"docs": ("negatives=own",)}, shares=True, start=(PRETRAINED, *DUAL))


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


def train(files: EncoderFiles, settings: Settings, dev: SampleOptions) -> None:
    """Train the dual encoder as STAR is, with another source of hard negatives."""
    from jointir.retrievers.dual import dual

    dual(files, settings, dev)
