"""The settings of TCT-ColBERT: a dual encoder distilled from ColBERT."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods.facts import encoder
from jointir.methods.shared import HardNegatives, Scale
from jointir.settings import Option

FACTS = encoder(teacher=("colbert",))


@dataclass(frozen=True, kw_only=True)
class Settings(HardNegatives):
    """Of a training; `scale` is on the student's inner products alone."""

    scale: Scale
    gamma: Annotated[
        float, Option("weight of the judgements beside the teacher's scores", least=0, most=1)
    ]
    temperature: Annotated[float, Option("divides the teacher's scores", above=0)]
