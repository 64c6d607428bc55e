"""SEAL (Bevilacqua et al. 2022): a decoder writes n-grams, by which documents are ranked."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.arguments import DevOptions, EncoderFiles
from jointir.methods.facts import DUAL, GENERATIVE, PRETRAINED, Facts, Form
from jointir.methods.shared import Trained

FACTS = Facts(
    Form.RANKER,
    {"start": (PRETRAINED, *DUAL)},
    trains=True,
    needs_text=True,
    own_documents=False,
    group=GENERATIVE,
)


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; symbols are the paper's."""

    batch: Annotated[int, Option("n-grams a batch, of train queries and of sentences", least=2)]
    sentences: Annotated[
        int, Option("of a batch, n-grams for a sentence or the title of their document", least=0)
    ]
    layers: Annotated[int, Option("layers of the decoder", least=1)]
    length: Annotated[int, Option("tokens of the longest n-gram", least=1, most=64)]
    temperature: Annotated[
        float,
        Option(
            "of the softmax by which n-grams are drawn, of tokens shared with the query", above=0
        ),
    ]


def train(files: EncoderFiles, settings: Settings, dev: DevOptions) -> None:
    """Train a decoder that writes n-grams of the documents that are relevant to a query."""
    from jointir.generative.seal import seal

    seal(files, settings, dev)
