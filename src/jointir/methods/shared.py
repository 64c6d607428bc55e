"""The settings that several methods have: a field of these is described here alone."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.numbers import LARGEST_SEED
from jointir.basics.settings import Checked, Option

LABELLED, ALL, DRAWN = "labelled", "all", "drawn"  # what negatives are mined from

Seed = Annotated[int, Option("seed of every random draw of this stage", least=0, most=LARGEST_SEED)]
Scale = Annotated[
    float,
    Option(
        "factor on inner products inside the loss, which are divided by the encoder's mean"
        " squared norm",
        above=0,
    ),
]
MINED_FROM = (
    "documents that negatives are mined from; labelled: those that are relevant to a train"
    " query, for the others could only ever be negatives"
)
MinedFrom = Annotated[str, Option(MINED_FROM, among=(LABELLED, ALL))]
Holdout = Annotated[
    float,
    Option("share of documents, with their queries, that training does not see", least=0, below=1),
]
RandomWeight = Annotated[float, Option("weight of the in-batch random negatives", least=0)]


@dataclass(frozen=True, kw_only=True)
class Trained(Checked):
    """What every training has: its batches, AdamW's rate, and how often it is saved."""

    steps: Annotated[int, Option("batches trained on; a budget chosen on dev", least=1)]
    batch: Annotated[int, Option("queries a batch", least=1)]
    lr: Annotated[float, Option("AdamW's highest learning rate", above=0, most=1)]
    warmup: Annotated[int, Option("steps of linear warm-up", least=0)]
    seed: Seed
    checkpoint_minutes: Annotated[
        float, Option("work, in minutes, that a crash loses at most", least=0)
    ] = 5


@dataclass(frozen=True, kw_only=True)
class HardNegatives(Trained):
    """A training against hard negatives and the other documents of the batch."""

    batch: Annotated[int, Option("queries a batch", least=2)]
    depth: Annotated[int, Option("ranks that hard negatives are drawn from", least=1)]
    mined_from: Annotated[
        str,
        Option(
            f"{MINED_FROM}; drawn: of these, the ones whose query the batches draw, so that no"
            " other document must be embedded",
            among=(DRAWN, LABELLED, ALL),
        ),
    ] = LABELLED


@dataclass(frozen=True, kw_only=True)
class TopNegatives(Trained):
    """A training of the query encoder by LambdaRank, over the documents that a search finds."""

    negatives: Annotated[
        int,
        Option("top-ranked irrelevant documents of each query, retrieved at every step", least=1),
    ]
    mined_from: MinedFrom = LABELLED
    lambda_cut: Annotated[
        int, Option("rank beyond which a document's reciprocal rank counts as 0", least=1)
    ]
    scale: Scale


@dataclass(frozen=True, kw_only=True)
class Built(Checked):
    """What every index has that is fitted after training."""

    M: Annotated[
        int, Option("sub-quantizers, or bytes a document of lsh and itq-lsh; 0: none", least=0)
    ] = 0
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Library(Checked):
    """What every index of a library has that is built after training."""

    seed: Seed
