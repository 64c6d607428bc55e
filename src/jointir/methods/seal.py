"""SEAL (Bevilacqua et al. 2022): a decoder writes n-grams, by which documents are ranked."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
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
    ranker="generative.seal_search:SEAL",
    rescores=True,
    held=20,
)

Length = Annotated[int, Option("tokens of the longest n-gram", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; symbols are the paper's."""

    batch: Annotated[int, Option("n-grams a batch, of train queries and of sentences", least=2)]
    sentences: Annotated[
        int, Option("of a batch, n-grams for a sentence or the title of their document", least=0)
    ]
    layers: Annotated[int, Option("layers of the decoder", least=1)]
    length: Length
    temperature: Annotated[
        float,
        Option(
            "of the softmax by which n-grams are drawn, of tokens shared with the query", above=0
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Search(Checked):
    """Of a search, with the `length` of the training; symbols are the paper's."""

    beam: Annotated[int, Option("n-grams of each length that are written for a query", least=1)]
    unigrams: Annotated[
        int, Option("of n-grams of one token, as many of the likeliest, if above `beam`", least=0)
    ]
    alpha: Annotated[float, Option("exponent of an n-gram's score", above=0)]
    beta: Annotated[
        float,
        Option(
            "share of an n-gram's score that it keeps only for tokens that no better one has",
            least=0,
            most=1,
        ),
    ]
    length: Length
    rescored: Annotated[
        int, Option("first documents that the encoder ranks anew, of the hybrid", least=10)
    ]


def train(files: EncoderFiles, settings: Settings, dev: DevOptions) -> None:
    """Train a decoder that writes n-grams of the documents that are relevant to a query."""
    from jointir.generative.seal import seal

    seal(files, settings, dev)
