"""The settings of ADORE: a query encoder trained on brute force's ranking."""

from dataclasses import dataclass

from jointir.methods.shared import TopNegatives


@dataclass(frozen=True, kw_only=True)
class Settings(TopNegatives):
    """Of a training: JPQ's, but for those of the index."""
