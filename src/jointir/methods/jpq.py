"""JPQ: joint training of query encoder and PQ centroids."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.arguments import DevOptions, Files
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import TopNegatives

READS = {"docs": ("exact", "reconstruction", "distillation"), "teacher": ("distillation",)}
FACTS = Facts(Form.INDEX, {"start": ("opq",)}, trains=True, shares=True, reads=READS, bits=(8, 4))


@dataclass(frozen=True, kw_only=True)
class Settings(TopNegatives):
    """Of a training; `reconstruction` is of the ablation's variants."""

    lr: Annotated[
        float,
        Option("AdamW's highest learning rate for the query encoder; 0: it stays", least=0, most=1),
    ]
    centroid_lr: Annotated[
        float,
        Option("AdamW's highest learning rate for the PQ centroids; 0: they stay", least=0, most=1),
    ]
    ranking: Annotated[
        float,
        Option(
            "weight of the paper's loss, which learns from judgements; 0: no label is used", least=0
        ),
    ] = 1
    distillation: Annotated[
        float,
        Option(
            "weight of the KL from STAR's exact scores to the quantized ones, over the best"
            " documents of each train query; it needs no label",
            least=0,
        ),
    ] = 0
    sentences: Annotated[
        int,
        Option(
            "sentences of documents without a train query that distillation learns with beside"
            " each batch, each with the weight of a query",
            least=0,
        ),
    ] = 0
    train_words: Annotated[
        bool, Option("the encoder's word embeddings learn, too; without, a step takes a tenth less")
    ] = True
    exact: Annotated[
        bool,
        Option("the paper's loss scores documents' own embeddings, not the quantized ones"),
    ] = False
    reconstruction: Annotated[
        float,
        Option(
            "weight of the relevant documents' squared quantization error, divided by the"
            " encoder's mean squared norm",
            least=0,
        ),
    ] = 0


def train(files: Files, settings: Settings, dev: DevOptions) -> None:
    """Train the query encoder and the centroids of an OPQ index; rotation and codes stay.

    Codes of 4 bits are laid out for FastScan.
    """
    from jointir.joint.jpq import jpq

    jpq(files, settings, dev)
