"""The settings of ASI and ASI++ (Liu et al. 2024); symbols are the paper's."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.facts import DUAL, PRETRAINED, Facts, Form
from jointir.methods.shared import Holdout, Trained

NONE = "none"  # of an indexing module, where identifiers are given
# of those that are learned, and of most kinds that are given
LEAST = {"length": 1, "vocabulary": 2}
# of kinds whose tokens are as many as the documents, or as their names have
FOUND = {"atomic": {"length": 1, "vocabulary": 0}, "name": {"vocabulary": 0}}
FOUND["novo"] = FOUND["atomic"]
DECODERS = ("prefix", "bart", "linear", "sets")
FACTS = Facts(Form.IDENTIFIERS, {"start": (PRETRAINED, *DUAL)}, needs_text=True)


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; without `density`, `bottleneck` and `information` it is ASI's."""

    indexer: Annotated[
        str,
        Option(
            "semantic indexing module; none: identifiers are given", among=("mlp", "pq", "rq", NONE)
        ),
    ]
    length: Annotated[
        int,
        Option("L, positions of an identifier; 0: as many digits as are needed", least=0, most=7),
    ]
    vocabulary: Annotated[
        int,
        Option(
            "V, tokens of a position; 0: as many as there are documents, or tokens of names",
            least=0,
            most=256,
        ),
    ]
    decoder: Annotated[
        str,
        Option(
            "prefix: it has a vector for each prefix of an identifier; bart: the paper's; linear: a"
            " softmax over identifiers of one position; sets: a softmax over n-grams, of which an"
            " identifier is a set",
            among=DECODERS,
        ),
    ]
    layers: Annotated[int, Option("layers of the decoder bart", least=1)]
    width: Annotated[int, Option("hidden units of the decoder prefix", least=1)]
    prototypes: Annotated[
        int, Option("vectors a token at the first position, of the decoder prefix", least=1)
    ]
    batch: Annotated[int, Option("pairs a batch", least=2)]
    fresh: Annotated[
        int,
        Option(
            "queries, and as many documents, of a batch encoded with gradient; the others come"
            " from the banks",
            least=1,
        ),
    ]
    encode_every: Annotated[
        int,
        Option(
            "steps between two that encode; between them the indexing module learns alone",
            least=1,
        ),
    ]
    pool: Annotated[
        int,
        Option("documents drawn from the bank a step: negatives and neighbours", least=1),
    ]
    decoded: Annotated[
        int,
        Option(
            "of the pool, documents from whose embeddings the decoder learns their identifiers",
            least=0,
        ),
    ]
    nearest: Annotated[int, Option("neighbours of eq. 5", least=1)]
    refresh: Annotated[
        int,
        Option("steps between two assignments of identifiers to all documents", least=1),
    ]
    lr: Annotated[float, Option("AdamW's highest learning rate for the encoder", above=0, most=1)]
    head_lr: Annotated[
        float,
        Option("AdamW's highest learning rate for indexing module and decoder", least=0, most=1),
    ]
    alpha: Annotated[float, Option("margin of eq. 1", least=0)]
    gamma: Annotated[float, Option("weight of the spread in eq. 6", least=0)]
    beta: Annotated[float, Option("weight of eq. 9", least=0)]
    lambda_first: Annotated[float, Option("scaling coefficient at the first step", least=0)]
    lambda_last: Annotated[float, Option("scaling coefficient from the second epoch on", least=0)]
    scale: Annotated[
        float,
        Option(
            "factor on eq. 6's inner products, which are divided by the encoder's mean squared"
            " norm",
            above=0,
        ),
    ]
    density: Annotated[bool, Option("L_di, eq. 5")] = True
    bottleneck: Annotated[bool, Option("L_bot, eq. 6")] = True
    information: Annotated[bool, Option("L_ib, eq. 9")] = True
    warm_start: Annotated[
        bool, Option("the indexing module first learns residual codes of the embeddings")
    ] = False
    holdout: Holdout = 0.0
