"""Whether a file of weights is of the model that its configuration describes."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from jointir.basics.errors import InputError
from jointir.basics.progress import say
from jointir.encode.source import WHERE

if TYPE_CHECKING:
    from jointir.encode.encoder import DualEncoder

NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")  # of a layer, in a tensor's name
TOGETHER = "Check that its files belong together, or save the model again"
SHOWN = 3


@dataclass
class Fit:
    """The tensors that a transformer and the file of its weights do not share.

    missing: those that the file lacks; the model's are drawn at random. unused: those of the file
    that the model lacks. reshaped: name to the shapes in the file and in the model. layers: the
    unused ones that would be of one more layer of the model.
    """

    missing: dict[str, torch.Tensor] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    reshaped: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)

    def add(self, model: PreTrainedModel, told: dict[str, Iterable]) -> None:
        """Add what `from_pretrained` tells of the loading of a model."""
        tensors = model.state_dict(keep_vars=True)
        self.missing |= {name: tensors[name] for name in sorted(told["missing_keys"])}
        unused, prefix = sorted(told["unexpected_keys"]), f"{model.base_model_prefix}."
        self.unused += unused
        kinds = {NUMBER.sub("*", name) for name in tensors if NUMBER.search(name)}
        self.layers += [n for n in unused if NUMBER.sub("*", n.removeprefix(prefix)) in kinds]
        for name, file, own in sorted(told["mismatched_keys"]):
            self.reshaped[name] = (list(file), list(own))


def check_shapes(fit: Fit, where: str, source: str) -> None:
    """Check that the file has the model's layers and shapes.

    Raises:
        InputError: its tensors are of other shapes, or of more layers.
    """
    if fit.reshaped:
        name, (file, own) = next(iter(fit.reshaped.items()))
        found = (
            f"{source!r} has {tensors(fit.reshaped)} of other shapes than its config.json says: "
        )
        found += f"{name} is {file} in the file, {own} in the model"
        raise InputError(where, found, TOGETHER)
    if fit.layers:
        found = f"{source!r} has more layers than its config.json says: {some(fit.layers)}"
        remedy = "Correct the number of layers there; or, to use fewer, save the model with fewer"
        raise InputError(where, found, remedy)


def check_missing(fit: Fit, encoder: "DualEncoder", texts: dict[str, list[str]]) -> None:
    """Check that no embedding uses a tensor that the file lacks; set the others to 0.

    So the same encoder is written each time. texts: of each kind some to embed.

    Raises:
        InputError: an embedding uses one.
    """
    if used := _used(fit, encoder, texts):
        found = f"its files lack {tensors(used)} that embeddings depend on: {some(used)}"
        raise InputError(WHERE, found, TOGETHER)
    if fit.missing:
        for tensor in fit.missing.values():
            tensor.data.zero_()
        many, names = tensors(fit.missing), some(list(fit.missing))
        say(f"encoder: its files lack {many} that no embedding uses, now 0: {names}")
    if fit.unused:
        say(f"encoder: not used of its files: {tensors(fit.unused)}, {some(fit.unused)}")


def _used(fit: Fit, encoder: "DualEncoder", texts: dict[str, list[str]]) -> list[str]:
    """Return the missing tensors that embeddings are computed from: those with a gradient.

    Whatever cannot have one, such as a buffer, counts as used.
    """
    learned = {name: t for name, t in fit.missing.items() if t.requires_grad}
    used = set(fit.missing) - set(learned)
    for kind in texts if learned else ():
        embedded = encoder.eval().padded(encoder.tokenize(texts[kind], kind))
        found = torch.autograd.grad(embedded.sum(), list(learned.values()), allow_unused=True)
        used |= {name for name, g in zip(learned, found, strict=True) if g is not None}
    return [name for name in fit.missing if name in used]


def some(names: list[str]) -> str:
    """Return the first of the names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def tensors(which: Collection[str]) -> str:
    """Return how many tensors these are, in words."""
    return f"{len(which)} tensor{'s' if len(which) > 1 else ''}"
