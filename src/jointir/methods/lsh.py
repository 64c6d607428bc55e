"""The settings of LSH: signs of random projections, 8M bits."""

from dataclasses import dataclass

from jointir.methods.shared import Built


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""
