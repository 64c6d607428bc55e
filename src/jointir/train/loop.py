"""One training loop for every stage that trains: deterministic, and the same after a resume."""

import math
from collections.abc import Callable

import numpy as np
import torch

from jointir.basics.progress import progress
from jointir.train.checkpoint import Checkpoint
from jointir.train.processes import check_same, dropout_seed, is_main, say_once, sum_gradients
from jointir.train.validation import Validation

UNDECAYED = {"weight_decay": 0.0}


def decayed(weights: list[torch.nn.Parameter]) -> list[dict[str, object]]:
    """Return groups of AdamW: its decay acts on matrices, not on biases and weights of norms."""
    matrices = [w for w in weights if w.ndim > 1]
    return [{"params": matrices}, {"params": [w for w in weights if w.ndim < 2]} | UNDECAYED]


def warmup_linear(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate: linear up over `warmup` steps, then down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def train(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[int], torch.Tensor],
    steps: int,
    warmup: int,
    seed: int,
    clip: list[torch.nn.Parameter],
    checkpoint: Checkpoint,
    name: str,
    validation: Validation | None = None,
) -> list[float]:
    """Minimize `loss_of(step)` for `steps` steps; gradients of `clip` are cut to norm 1.

    Dropout draws from (seed, step), so a resumed training is the uninterrupted one, bit for bit.
    Of several processes, each differentiates its part of the loss (see processes.py) and draws
    dropout of its own; a training may be resumed by another number of them.

    validation: measures the module at step 0 and on its way; the weights that it chooses are those
    that the module has at the end, in a resumed training, too.

    Returns: the losses of the steps done here. Raises: FloatingPointError when a loss is not
    finite.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    module.train()
    first = checkpoint.load(module, optimizer, validation)
    check_same(first, checkpoint.folder)
    if validation and not validation.curve:
        validation.look(0, module)
    losses: list[float] = []
    todo = range(first, first if validation and validation.exhausted() else steps)
    for step in progress(todo, name, steps, "steps", first) if is_main() else todo:
        torch.manual_seed(dropout_seed(seed, step))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * warmup_linear(step, warmup, steps)
        losses.append(_descend(module, optimizer, loss_of, step, clip))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"{name}: the loss of step {step} is {losses[-1]}")
        if step % 20 == 19:
            say_once(f"{name}: step {step + 1} loss {np.mean(losses[-20:]):.4f}")
        if validation and validation.due(step + 1, steps):
            validation.look(step + 1, module)
        checkpoint.save(step + 1, module, optimizer, validation)
        if validation and validation.exhausted():
            break
    if validation:
        validation.choose(module)
    module.eval()
    return losses


def _descend(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[int], torch.Tensor],
    step: int,
    clip: list[torch.nn.Parameter],
) -> float:
    """Change the weights by one step of the optimizer; return the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(step)
    loss.backward()
    sum_gradients(module)
    torch.nn.utils.clip_grad_norm_(clip, 1.0)
    optimizer.step()
    return loss.item()
