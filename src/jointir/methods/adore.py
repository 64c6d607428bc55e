"""The settings of ADORE: a query encoder trained on brute force's ranking."""

from dataclasses import dataclass

from jointir.methods.facts import DUAL, encoder
from jointir.methods.shared import TopNegatives

FACTS = encoder(own_documents=False, shares=True, start=DUAL)


@dataclass(frozen=True, kw_only=True)
class Settings(TopNegatives):
    """Of a training: JPQ's, but for those of the index."""
