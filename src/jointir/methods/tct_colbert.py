"""TCT-ColBERT: a dual encoder distilled from ColBERT."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.arguments import EncoderFiles, SampleOptions
from jointir.methods.facts import encoder
from jointir.methods.shared import HardNegatives, Scale

FACTS = encoder({"teacher": ()}, teacher=("colbert",))


@dataclass(frozen=True, kw_only=True)
class Settings(HardNegatives):
    """Of a training; `scale` is on the student's inner products alone."""

    scale: Scale
    gamma: Annotated[
        float, Option("weight of the judgements beside the teacher's scores", least=0, most=1)
    ]
    temperature: Annotated[float, Option("divides the teacher's scores", above=0)]


def train(files: EncoderFiles, settings: Settings, dev: SampleOptions) -> None:
    """Train the dual encoder towards the scores of a ColBERT."""
    from jointir.retrievers.tct import tct

    tct(files, settings, dev)
