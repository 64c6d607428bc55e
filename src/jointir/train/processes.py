"""The processes that `accelerate launch` starts for one training, and what passes between them.

All draw the same batch, each embeds and scores its share of it, and all end a step with the same
weights: gradients are summed to those of the whole batch, so their number changes rounding alone.
A process that was not launched so is alone, and computes as if none of this were here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce

from jointir.basics.errors import InputError
from jointir.basics.progress import say
from jointir.encode.encoder import DualEncoder, best_device

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Which of `count` processes this one is, and the device that it computes on."""

    rank: int
    count: int
    device: torch.device


@cache
def place() -> Place:
    """Join the other processes, by nccl on GPUs and by gloo on CPUs, where there are others."""
    if "LOCAL_RANK" not in os.environ:  # which the launcher sets
        return Place(0, 1, best_device())
    # the others wait for the main process while it mines negatives, which can take hours
    state = PartialState(cpu=best_device().type == "cpu", timeout=timedelta(days=1))
    return Place(state.process_index, state.num_processes, state.device)


def is_main() -> bool:
    """Say whether this is the one process that writes checkpoints, outputs and the log."""
    return place().rank == 0


def say_once(text: str) -> None:
    """Print a line to the log, in the main process alone."""
    if is_main():
        say(text)


def dropout_seed(seed: int, step: int) -> int:
    """Return what dropout draws from at `step`: another number in every process."""
    # so far apart that no other step has it, in the 32 bits that a CPU's generator reads, too
    return seed * 1_000_003 + step + place().rank * 2_654_435_761


def own_rows(n: int) -> slice:
    """Return which of a batch's n rows are this process's: as even as can be, in order of rank.

    Raises:
        InputError: there are fewer rows than processes.
    """
    rank, count = place().rank, place().count
    if n < count:
        found = f"{n} rows for {count} processes"
        raise InputError("batch", found, "Launch fewer processes, or draw a larger batch")
    return slice(n * rank // count, n * (rank + 1) // count)


def all_rows(own: torch.Tensor, n: int) -> torch.Tensor:
    """Return the n rows of all shares, float[n, D], of which `own` are this process's.

    The gradient reaches its own rows alone. As all compute the same loss of the n rows, that
    gradient is whole, and `sum_gradients` adds up what all rows do to a weight.
    """
    if place().count == 1:
        return own
    mine = own_rows(n)
    rows = own.new_zeros(n, *own.shape[1:])
    rows[mine] = own.detach()
    rows = reduce(rows, "sum")  # exact: a row is 0 in all processes but one
    return torch.cat([rows[: mine.start], own, rows[mine.stop :]])


def embed_together(encoder: DualEncoder, tokens: list[list[int]]) -> torch.Tensor:
    """Return the embeddings of a batch's B texts, float[B, D]; each process embeds its share."""
    return all_rows(encoder(tokens[own_rows(len(tokens))]), len(tokens))


def mean_of_all(own: torch.Tensor, rows: int, n: int) -> torch.Tensor:
    """Return the mean over n rows from `own`, the mean over this process's `rows` of them.

    The gradient is that of its own part of the mean.
    """
    if place().count == 1:
        return own
    part = own * (rows / n)
    return reduce(part.detach(), "sum") + (part - part.detach())  # the bracket is exactly 0


def sum_gradients(module: torch.nn.Module) -> None:
    """Replace every gradient by its sum over the processes.

    All run the same graph: a parameter that has no gradient here has none elsewhere either.
    """
    if place().count == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    for sent in [torch.distributed.all_reduce(g, async_op=True) for g in gradients]:
        sent.wait()


def from_main(make: Callable[[], T]) -> T:
    """Return what `make` returns in the main process, the only one that calls it."""
    made = make() if is_main() else None
    return made if place().count == 1 else broadcast_object_list([made])[0]


def check_same(step: int, folder: Path) -> None:
    """Wait until all processes have read their checkpoint in `folder`, the same one.

    Raises:
        InputError: their checkpoints are of different steps.
    """
    if place().count == 1:
        return
    total = reduce(torch.tensor(step, device=place().device), "sum").item()
    if total != step * place().count:
        found = f"holds step {step} for one process, and another step for another"
        raise InputError(folder, found, "Choose a scratch folder that all machines share")
