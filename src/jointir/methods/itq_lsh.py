"""The settings of ITQ-LSH: signs after iterative quantization, 8M bits."""

from dataclasses import dataclass

from jointir.methods.shared import Built


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""
