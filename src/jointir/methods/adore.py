"""ADORE: a query encoder trained on brute force's ranking."""

from dataclasses import dataclass

from jointir.methods.arguments import DevOptions, EncoderFiles
from jointir.methods.facts import DUAL, encoder
from jointir.methods.shared import TopNegatives

FACTS = encoder({"docs": ()}, own_documents=False, shares=True, start=DUAL)


@dataclass(frozen=True, kw_only=True)
class Settings(TopNegatives):
    """Of a training: JPQ's, but for those of the index."""


def train(files: EncoderFiles, settings: Settings, dev: DevOptions) -> None:
    """Train the query encoder on the documents that brute force ranks high at each step."""
    from jointir.retrievers.adore import adore

    adore(files, settings, dev)
