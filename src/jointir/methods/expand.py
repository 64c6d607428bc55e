"""The settings by which queries are written for documents, and filtered."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.shared import Seed


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of an expansion."""

    queries: Annotated[int, Option("queries written for a document", least=1)]
    top_k: Annotated[int, Option("likeliest tokens that each next one is drawn from", least=1)]
    depth: Annotated[
        int, Option("ranks in which the encoder has to find a query's document", least=1)
    ]
    seed: Seed
