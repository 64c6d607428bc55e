"""DPQ: differentiable product quantization, the supervised baseline."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods.arguments import DevOptions, Files
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Scale, Trained

FACTS = Facts(Form.INDEX, {"start": ("opq",)}, trains=True, reads={"docs": ()}, bits=(8,))


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training."""

    batch: Annotated[
        int, Option("queries a batch, whose documents are each other's negatives", least=2)
    ]
    lr: Annotated[
        float, Option("AdamW's highest learning rate for the query encoder", above=0, most=1)
    ]
    pq_lr: Annotated[
        float, Option("AdamW's highest learning rate for the quantizer", above=0, most=1)
    ]
    scale: Scale
    temperature: Annotated[
        float,
        Option(
            "a squared distance, divided by the encoder's mean squared norm: of the softmax over"
            " sub-vectors' negative squared distances to centroids, through which gradients pass;"
            " the forward pass does not see it",
            above=0,
        ),
    ]
    reconstruction: Annotated[
        float,
        Option(
            "weight of the mean squared distance between documents and their quantized form,"
            " divided by the encoder's mean squared norm",
            least=0,
        ),
    ]


def train(files: Files, settings: Settings, dev: DevOptions) -> None:
    """Train the query encoder, and centroids and codes of an OPQ index; its rotation stays."""
    from jointir.joint.dpq import dpq

    dpq(files, settings, dev)
