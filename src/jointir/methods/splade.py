"""SPLADE (Formal et al. 2021): a masked language model weighs the words of its vocabulary."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.facts import SPARSE, Facts, Form

FACTS = Facts(Form.RANKER, needs_text=True, group=SPARSE, ranker="search.splade:Splade")


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of a search by a model as it is."""

    checkpoint: Annotated[
        str,
        Option(
            "a masked language model of transformers that was trained as SPLADE: a folder, a hub"
            " id, or package:MODULE/FOLDER"
        ),
    ]
    query_length: Annotated[
        int, Option("tokens of a query that are read, special ones included", least=3)
    ]
    document_length: Annotated[
        int, Option("tokens of a document that are read, special ones included", least=3)
    ]
