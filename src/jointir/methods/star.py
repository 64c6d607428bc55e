"""The settings of STAR: a dual encoder trained on random and static hard negatives."""

from dataclasses import dataclass

from jointir.methods.facts import encoder
from jointir.methods.shared import HardNegatives, RandomWeight, Scale

FACTS = encoder(shares=True)


@dataclass(frozen=True, kw_only=True)
class Settings(HardNegatives):
    """Of a training."""

    scale: Scale
    random_weight: RandomWeight
