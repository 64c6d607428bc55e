"""The settings of label-free distillation: training of the index alone."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.shared import Trained


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training."""

    documents: Annotated[
        int,
        Option(
            "the best of the quantized search for each query, whose exact scores it learns",
            least=2,
        ),
    ]
    lr: Annotated[
        float,
        Option(
            "AdamW's highest learning rate for the PQ centroids, for vectors of length 1",
            above=0,
            most=1,
        ),
    ]
    map_lr: Annotated[
        float,
        Option(
            "the same for a linear map of the queries, which is folded into the index's rotation;"
            " 0: none is learned",
            least=0,
            most=1,
        ),
    ]
    scale: Annotated[
        float,
        Option(
            "factor on inner products, which are divided by the documents' mean squared norm",
            above=0,
        ),
    ]
