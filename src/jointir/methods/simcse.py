"""Unsupervised SimCSE: a dual encoder that learns without queries or labels."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.arguments import EncoderFiles, SampleOptions
from jointir.methods.facts import DUAL, PRETRAINED, encoder
from jointir.methods.shared import Trained

FACTS = encoder({}, start=(PRETRAINED, *DUAL))


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; its texts are sentences of the documents."""

    batch: Annotated[int, Option("sentences a batch", least=2)]
    temperature: Annotated[float, Option("divides the cosines of the loss", above=0)]
    dropout: Annotated[
        float,
        Option(
            "rate of all dropout while it is trained, whatever the encoder has of its own",
            above=0,
            below=1,
        ),
    ]


def train(files: EncoderFiles, settings: Settings, dev: SampleOptions) -> None:
    """Train the dual encoder on pairs of a sentence and itself under another dropout."""
    from jointir.retrievers.simcse import simcse

    simcse(files, settings, dev)
