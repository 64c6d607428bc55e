"""The settings by which doc2query-MiniLM learns to write queries for documents."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.shared import Trained


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training."""

    batch: Annotated[int, Option("train queries a batch", least=1)]
    layers: Annotated[int, Option("layers of the decoder", least=1)]
    source_length: Annotated[
        int, Option("tokens of a document that are read, special ones included", least=4)
    ]
