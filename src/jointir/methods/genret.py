"""The settings by which GenRet (Sun et al. 2023) learns identifiers, position by position."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.shared import Holdout, Scale, Trained


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; `holdout` and `seed` are those of the decoder's, too."""

    steps: Annotated[int, Option("batches trained on, of all positions together", least=1)]
    batch: Annotated[int, Option("documents a batch, each with a query", least=2)]
    refresh: Annotated[
        int,
        Option(
            "steps between two assignments of tokens to all documents; the first so many steps of a"
            " position learn retrieval alone",
            least=1,
        ),
    ]
    epsilon: Annotated[
        float,
        Option(
            "entropy of the balanced assignment, where the range of the scores is 2; with less,"
            " tokens are used more alike",
            above=0,
        ),
    ]
    scale: Scale
    holdout: Holdout
