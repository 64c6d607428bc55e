"""STAR: a dual encoder trained on random and static hard negatives."""

from dataclasses import dataclass

from jointir.methods.arguments import EncoderFiles, SampleOptions
from jointir.methods.facts import encoder
from jointir.methods.shared import HardNegatives, RandomWeight, Scale

# where few documents are candidates, the training embeds them itself
FACTS = encoder({"docs": ("mined_from=labelled", "mined_from=all")}, shares=True)


@dataclass(frozen=True, kw_only=True)
class Settings(HardNegatives):
    """Of a training."""

    scale: Scale
    random_weight: RandomWeight


def train(files: EncoderFiles, settings: Settings, dev: SampleOptions) -> None:
    """Train the dual encoder on the batch's negatives and on those that its start ranks high."""
    from jointir.retrievers.star import star

    star(files, settings, dev)
