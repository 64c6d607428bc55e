"""Timing against a clock that the test turns, and the processes that hold what is timed."""

import os
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from jointir.basics.errors import InputError
from jointir.measure.timing import (
    WARM_UP_S,
    Budget,
    Contender,
    Turn,
    batches,
    interleave,
    summary,
    take_turn,
)
from jointir.measure.worker import Configuration, Index, Subject, Worker, time_all

TICK = 2**-10  # seconds; sums of it are exact


class Clock:
    """Time that passes only while a call answers queries."""

    def __init__(self):
        self.now, self.seen = 0.0, []

    def __call__(self) -> float:
        return self.now

    def call(self, queries: np.ndarray) -> None:
        """Take as many ticks as the numbers in the queries say."""
        self.seen.append(queries[:, 0].tolist())
        self.now += TICK * queries.sum()


def turned(batch: int, turn: Turn, costs: list[int]) -> tuple[list[float], list, list]:
    """Return a turn's times in ticks, and which queries were warm-up and which were timed."""
    clock = Clock()
    queries = np.array(costs)[:, None]
    took = take_turn(clock.call, queries, batch, turn, clock)
    at = len(clock.seen) - len(took)
    return (took / TICK).tolist(), clock.seen[:at], clock.seen[at:]


def test_a_turn_warms_up_on_other_queries_and_times_its_own_in_order():
    costs = list(
        range(40, 60)
    )  # 50 + 51 ticks are 0.0986 s, below WARM_UP_S, and one more is above
    assert TICK * (50 + 51) < WARM_UP_S < TICK * (50 + 51 + 52)
    took, warm, timed = turned(1, Turn(0.0, 4, 10.0), costs)
    assert warm == [[50], [51], [52]]
    assert timed == [[40], [41], [42], [43]]
    assert took == [40, 41, 42, 43]


def test_a_turn_begins_where_it_is_told_and_goes_round():
    took, warm, timed = turned(2, Turn(0.8, 6, 10.0), [100, 101, 102, 103, 104])
    assert warm == [[101, 102]]  # (4 + 5 // 2) mod 5
    assert timed == [[104, 100], [101, 102], [103, 104]]
    assert took == [204, 203, 207]


@pytest.mark.parametrize(
    ("batch", "queries", "ticks", "calls"),
    [
        (1, 3, 10**6, 3),  # queries end it
        (4, 9, 10**6, 3),  # 8 are not enough
        (4, 8, 10**6, 2),
        (1, 100, 400, 4),  # seconds end it: reached exactly,
        (1, 100, 401, 5),  # and passed
        (4, 100, 1, 1),  # one call at least
    ],
)
def test_a_turn_ends_with_its_queries_or_its_seconds(batch, queries, ticks, calls):
    took, _, timed = turned(batch, Turn(0.0, queries, TICK * ticks), [100] * 20)
    assert took == [100 * batch] * calls
    assert [len(t) for t in timed] == [batch] * calls


def test_batches_larger_than_the_queries_repeat_them():
    some = batches(np.arange(3), 4, 1)
    assert [next(some).tolist() for _ in range(3)] == [[1, 2, 0, 1], [2, 0, 1, 2], [0, 1, 2, 0]]


class Fake:
    """A contender whose calls all take `cost` seconds, and a log of the turns that it had."""

    def __init__(self, name: str, cost: float, batch: int, log: list):
        self.name, self.cost, self.batch, self.log = name, cost, batch, log

    def take(self, turn: Turn) -> np.ndarray:
        calls = [-(-turn.queries // self.batch), int(np.ceil(turn.seconds / self.cost))]
        self.log.append((self.name, turn))
        return np.full(max(1, min(calls)), self.cost)


def raced(seed: int, **costs: tuple[float, int]) -> tuple[dict[str, int], list]:
    """Return how many calls each contender had with 10 s, 1,000 queries, 5 rounds; all turns."""
    log: list = []
    fakes = [Fake(name, *cost, log) for name, cost in costs.items()]
    found = interleave([Contender(f.take, f.batch) for f in fakes], Budget(10, 1000, 5, seed))
    assert all((t == f.cost).all() for f, t in zip(fakes, found, strict=True))
    return {f.name: len(t) for f, t in zip(fakes, found, strict=True)}, log


def test_each_contender_ends_with_its_queries_or_its_seconds_over_all_rounds():
    costs = {"fast": (TICK, 1), "slow": (0.5, 1), "slowest": (3.0, 1), "batch": (TICK, 32)}
    calls, log = raced(1, **costs)
    # slowest: 3, 6, 9, 12 s. batch: 7, 7, 6, 6, 6 calls of 32 for shares 200, 194, 184, 180, 168
    assert calls == {"fast": 1000, "slow": 20, "slowest": 4, "batch": 32}
    turns = {name: [turn for n, turn in log if n == name] for name in costs}
    assert [t.first for t in turns["fast"]] == [0, 0.2, 0.4, 0.6, 0.8]
    assert [t.queries for t in turns["fast"]] == [200] * 5
    assert [t.seconds for t in turns["slow"]] == [2.0] * 5
    assert [t.seconds for t in turns["slowest"]] == [2.0, 7 / 4, 4 / 3, 1 / 2]
    assert [t.queries for t in turns["batch"]] == [200, 194, 184, 180, 168]


def test_rounds_are_interleaved_and_shuffled_by_the_seed():
    costs = {name: (TICK, 1) for name in "abcdef"}
    orders = []
    for seed in (1, 1, 2):
        names = "".join(name for name, _ in raced(seed, **costs)[1])
        rounds = [names[i : i + 6] for i in range(0, 30, 6)]
        assert all(sorted(r) == list("abcdef") for r in rounds)
        assert len(set(rounds)) == 5
        orders.append(rounds)
    assert orders[0] == orders[1] != orders[2]


def test_summary_of_known_times():
    found = summary(np.arange(1, 101)[::-1] / 1000, 32)
    expected = {"median_ms": 50.5, "p95_ms": 95.05, "qps": 32 * 100 / 5.05}
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["seconds", "least", "rounds"])
def test_a_budget_of_nothing_is_refused(name):
    with pytest.raises(InputError, match=rf"{name}: 0 is not positive\. Raise it"):
        Budget(**({"seconds": 1, "least": 1, "rounds": 1, "seed": 1} | {name: 0}))


@dataclass
class Bad(Subject):
    """A subject that does one thing when loaded and another when called.

    Workers import this file to get it, so it imports nothing that takes long.
    """

    path: Path
    queries: np.ndarray
    at_load: str
    at_call: str = ""

    def prepare(self) -> None:
        self.before = np.ones(20_000_000, np.uint8)

    def load(self) -> None:
        self.act(self.at_load)

    def call(self, queries, value, threads) -> None:
        self.act(self.at_call)

    def act(self, what: str) -> None:
        if what == "die":
            os._exit(3)
        if what == "fail":
            raise ZeroDivisionError
        if what == "refuse":
            raise InputError(self.path, "is bad", "Mend it")
        if what == "tell threads":
            limits = {pool["num_threads"] for pool in threadpool_info()}
            variables = [os.environ[n] for n in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")]
            raise InputError(self.path, f"{sorted(limits)} {variables}", "Good")
        if what == "take 50 MB":
            self.held = np.ones(50_000_000, np.uint8)
        if what == "take 50 MB for a moment":
            np.ones(50_000_000, np.uint8)


TURN = Turn(0.0, 4, 1.0)
ONE = np.zeros((4, 1), "f4")
DIED = r"index: the process that held it died with exit code {}\. See its message above"
REFUSED = r"index: is bad\. Mend it"


@pytest.mark.parametrize(
    ("at_load", "at_call", "message"),
    [
        ("die", "", DIED.format(3)),
        ("fail", "", DIED.format(1)),
        ("refuse", "", REFUSED),
        ("", "die", DIED.format(3)),
        ("", "refuse", REFUSED),
        ("", "tell threads", r"index: \[1\] \['3', 'PASSIVE'\]"),
    ],
)
def test_a_worker_that_dies_or_refuses_is_one_error_naming_the_index(at_load, at_call, message):
    subjects = {"a": Bad(Path("index"), ONE, at_load, at_call)}
    before = dict(os.environ)
    with pytest.raises(InputError, match=message):
        time_all(subjects, [Configuration("a", 0, 1, 1)], 3, Budget(1, 4, 1, 1))
    assert dict(os.environ) == before


def test_memory_is_what_loading_and_calling_added_at_their_peak():
    peaks = []
    for actions in (("", ""), ("take 50 MB", ""), ("take 50 MB", "take 50 MB for a moment")):
        worker = Worker(Bad(Path("index"), ONE, *actions), 1)
        worker.await_loaded()
        worker.contender(0, 1, 1).take(TURN)
        peaks.append(worker.peak_mb())
        worker.close()
    # neither the 20 MB of `prepare` nor this process, which holds torch, counts
    assert 0 <= peaks[0] < 5
    assert 49 < peaks[1] < 54
    assert 99 < peaks[2] < 104


DOCS = np.random.default_rng(0).normal(size=(300, 16)).astype("f4")


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Path:
    """Return the file of an exact index of DOCS."""
    path = tmp_path_factory.mktemp("worker") / "flat.faiss"
    index = faiss.IndexFlatIP(16)
    index.add(DOCS)
    faiss.write_index(index, str(path))
    return path


def test_a_worker_holds_an_index_but_no_torch(flat):
    worker = Worker(Index(flat, DOCS, 300, 10), 2)
    worker.await_loaded()
    maps = Path(f"/proc/{worker._process.pid}/maps").read_text()
    assert "faiss" in maps
    assert "torch" not in maps
    for batch, calls in ((1, 4), (3, 2)):
        for threads in (1, 2):
            took = worker.contender(0, threads, batch).take(Turn(0.0, 4, 1e9))
            assert (took.dtype, took.shape) == (np.float64, (calls,))
            assert (took > 0).all()
    assert 0 < worker.peak_mb() < 100
    worker.close()


def test_an_index_that_does_not_fit(flat):
    with pytest.raises(InputError, match=r"flat\.faiss: has 16 dimensions, its queries 8\. Use an"):
        Index(flat, DOCS[:, :8], 300, 10).load()
    with pytest.raises(InputError, match=r"flat\.faiss: holds 300 documents, not the 7 of its"):
        Index(flat, DOCS, 7, 10).load()
    subjects = {"a": Index(flat, DOCS[:, :8], 300, 10)}
    with pytest.raises(InputError, match=r"flat\.faiss: has 16 dimensions, its queries 8\. Use an"):
        time_all(subjects, [Configuration("a", 0, 1, 1)], 1, Budget(1, 4, 1, 1))
