"""Which rows a batch has: a function of the step alone, the same before and after a resume."""

from functools import lru_cache

import numpy as np

from jointir.train.processes import say_once


@lru_cache  # once a process: every step asks for its batch
def batch_of(n: int, batch: int) -> int:
    """Return how many of n rows a batch has: all of them where fewer than `batch`; say so."""
    if batch > n:
        say_once(f"a batch has all {n} rows there are to train on, {batch} were asked for")
    return min(batch, n)


@lru_cache(maxsize=1)  # a batch needs a slice of it, and an epoch has many batches
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order


def shuffled(n: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Return the rows of batch `step`: every epoch is a new permutation of the n rows.

    A function of its arguments alone, so that resuming needs no generator's state.
    """
    batch = batch_of(n, batch)
    per_epoch = n // batch
    order = _permutation(n, seed, step // per_epoch)
    at = step % per_epoch * batch
    return order[at : at + batch]
