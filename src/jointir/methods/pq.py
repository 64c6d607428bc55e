"""The settings of PQ: product quantization without a rotation."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods.shared import Built
from jointir.settings import Option


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""

    sample: Annotated[int, Option("documents trained on; 0: all", least=0)] = 0
