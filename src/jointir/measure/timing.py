"""Times of calls, taken in rounds: a drifting machine then slows every contender alike."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.progress import progress

WARM_UP_S = 0.1  # before every turn: the caches were another contender's


def check_positive(**numbers: float) -> None:
    """Raise InputError naming the first of the numbers that is not positive."""
    for name, number in numbers.items():
        if number <= 0:
            raise InputError(name, f"{number} is not positive", "Raise it")


@dataclass(frozen=True)
class Budget:
    """What each contender is timed for, over all `rounds`: `least` queries or `seconds`.

    The one that is reached first ends it. seed: of the order in which turns are taken.

    Raises:
        InputError: a number of them is not positive.
    """

    seconds: float
    least: int
    rounds: int
    seed: int

    def __post_init__(self) -> None:
        check_positive(seconds=self.seconds, least=self.least, rounds=self.rounds)


@dataclass(frozen=True)
class Turn:
    """A contender's share of a round: until `queries` or `seconds` are reached.

    first: the query to begin with, as a part of all, in [0, 1).
    """

    first: float
    queries: int
    seconds: float


@dataclass(frozen=True)
class Contender:
    """`take` gives it a turn and returns the seconds of each call, which answers `batch` queries.

    Seconds: float64[calls].
    """

    take: Callable[[Turn], np.ndarray]
    batch: int


def batches(queries: np.ndarray, size: int, first: int) -> Iterator[np.ndarray]:
    """Yield `size` queries at a time, in their order from row `first` on, for ever."""
    while True:
        yield queries[np.arange(first, first + size) % len(queries)]
        first += size


def take_turn(
    call: Callable[[np.ndarray], object],
    queries: np.ndarray,
    batch: int,
    turn: Turn,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Return the seconds of each call, float64[calls], at least one.

    Every contender is timed on the same queries in the same order. Before them come other ones,
    half of all queries away and not timed, for `WARM_UP_S`.
    """
    first = int(turn.first * len(queries))
    end = clock() + WARM_UP_S
    for some in batches(queries, batch, first + len(queries) // 2):
        call(some)
        if clock() >= end:
            break
    took: list[float] = []
    spent = 0.0
    for some in batches(queries, batch, first):
        begin = clock()
        call(some)
        took.append(clock() - begin)
        spent += took[-1]
        if batch * len(took) >= turn.queries or spent >= turn.seconds:
            break
    return np.array(took)


def interleave(contenders: Sequence[Contender], budget: Budget) -> list[np.ndarray]:
    """Return the seconds of every call of each contender, float64[calls], in their order.

    In each round every contender has one turn, in a shuffled order, for an equal share of what is
    left of its budget; one that has reached its budget has no more.
    """
    rng = np.random.default_rng(budget.seed)
    took = [np.empty(0) for _ in contenders]
    order = [(r, i) for r in range(budget.rounds) for i in rng.permutation(len(contenders))]
    for r, i in progress(order, "timing", unit="turns"):
        left = budget.rounds - r
        queries = budget.least - contenders[i].batch * len(took[i])
        seconds = budget.seconds - took[i].sum()
        if queries > 0 and seconds > 0:
            turn = Turn(r / budget.rounds, math.ceil(queries / left), seconds / left)
            took[i] = np.append(took[i], contenders[i].take(turn))
    return took


def summary(took: np.ndarray, batch: int) -> dict[str, float]:
    """Return the median and 95th percentile of a call in ms, and qps, queries answered a second.

    A call answers the whole batch: with 32 queries, median_ms is that of all 32.
    """
    ms = 1000 * took
    median, p95 = (float(np.percentile(ms, q)) for q in (50, 95))
    return {"median_ms": median, "p95_ms": p95, "qps": float(batch * len(took) / took.sum())}
