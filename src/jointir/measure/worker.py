"""A process that holds one index, or one encoder, and nothing else, and times its calls."""

import multiprocessing
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.basics.progress import progress
from jointir.measure.timing import Budget, Contender, Turn, interleave, summary, take_turn
from jointir.methods.known import libraries
from jointir.search.ann.registry import DESCRIPTION, open_index, searcher_class


class Subject(ABC):
    """What is timed. It goes to the worker before anything is loaded.

    path: what is loaded. queries: what it is called with, one a row.
    """

    path: Path
    queries: np.ndarray

    @abstractmethod
    def prepare(self) -> None:
        """Import the code that `load` needs: its memory is not that of what is loaded."""

    @abstractmethod
    def load(self) -> None:
        """Load what is at `path`.

        Raises:
            InputError: it is damaged, or does not fit the queries.
        """

    @abstractmethod
    def call(self, queries: np.ndarray, value: int, threads: int) -> object:
        """Answer a batch. No more than `threads` threads work.

        value: of an index's search parameter.
        """


@dataclass
class Index(Subject):
    """An index of N documents, and float32[Q, D] queries that each ask for the best k."""

    path: Path
    queries: np.ndarray
    N: int
    k: int

    def prepare(self) -> None:
        """Import the library of the index; what is wrong with its folder, `load` says."""
        description = self.path / DESCRIPTION
        system = read_json(description).get("system") if description.is_file() else None
        if system in libraries():
            searcher_class(system)
        import_module("jointir.search.ann.with_faiss")  # opens files that no system describes

    def load(self) -> None:
        """Open the index with `open_index`.

        Raises:
            InputError: it is damaged, of another dimension, or of another number of documents.
        """
        self.searcher = open_index(self.path)
        if self.searcher.D != self.queries.shape[1]:
            found = f"has {self.searcher.D} dimensions, its queries {self.queries.shape[1]}"
            raise InputError(self.path, found, "Use an index and queries of the same encoder")
        if self.searcher.N != self.N:
            found = f"holds {self.searcher.N} documents, not the {self.N} of its meta file"
            raise InputError(self.path, found, "Rerun the stage that searches it")

    def call(self, queries: np.ndarray, value: int, threads: int) -> object:
        """Search."""
        return self.searcher.search(queries, self.k, value, threads)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables of the environment, for processes started in the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def peak_resident_mb() -> float:
    """Return VmHWM, this process's peak of resident memory in MB of 10^6 bytes; NaN but on Linux.

    Not ru_maxrss: a new process starts with its parent's, however large that was.
    """
    with suppress(OSError), open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) * 1024 / 1e6
    return float("nan")


def _forget_peak() -> None:
    """Let VmHWM begin anew where the system allows it, else it stays what it is."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def _serve(subject: Subject, pipe: Connection) -> None:
    """Load, then answer each request (value, threads, batch, turn), until None asks for the peak.

    An answer is float64[calls] of seconds, or the MB that loading and all calls added at most to
    the resident memory of this process. The peak at the start counts where it cannot be forgotten.
    """
    try:
        subject.prepare()
        _forget_peak()
        before = peak_resident_mb()
        subject.load()
        pipe.send("ready")
        for value, threads, batch, turn in iter(pipe.recv, None):
            with threadpool_limits(threads):  # numpy's BLAS too, which no index limits
                call = partial(subject.call, value=value, threads=threads)
                pipe.send(take_turn(call, subject.queries, batch, turn))
        pipe.send(peak_resident_mb() - before)
    except InputError as e:
        pipe.send(e)


class Worker:
    """The parent's side: starts the process, hands out turns, asks for the peak of its memory."""

    def __init__(self, subject: Subject, threads: int):
        """Start a process, whose libraries have `threads` threads, and let it load."""
        self.path = subject.path
        context = multiprocessing.get_context("spawn")  # a fork would hold the parent's memory
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(subject, end), daemon=True)
        # idle threads that spin would slow the worker whose turn it is
        limits = {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        with environment(OMP_WAIT_POLICY="PASSIVE", **limits):
            self._process.start()
        end.close()  # so that the child's is the only one, and its death ends the pipe

    def await_loaded(self) -> None:
        """Wait until it has loaded.

        Raises:
            InputError: what it loads is damaged or does not fit, or the process died.
        """
        self._receive()

    def _receive(self) -> object:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionError) as e:
            self._process.join()
            found = f"the process that held it died with exit code {self._process.exitcode}"
            remedy = "See its message above; without one, it needs more memory than there is"
            raise InputError(self.path, found, remedy) from e
        if isinstance(answer, InputError):
            raise answer
        return answer

    def _ask(self, request: object) -> object:
        with suppress(ConnectionError):  # receiving says more of a dead process
            self._pipe.send(request)
        return self._receive()

    def contender(self, value: int, threads: int, batch: int) -> Contender:
        """Return what is timed: `threads` threads, `batch` queries.

        value: of the search parameter.
        """

        def take(turn: Turn) -> np.ndarray:
            return self._ask((value, threads, batch, turn))

        return Contender(take, batch)

    def peak_mb(self) -> float:
        """End the process; return the most that loading and its calls took of memory.

        In MB of 10^6 bytes, resident, beyond what it held before loading (interpreter, libraries,
        queries). NaN on systems without /proc.
        """
        return self._ask(None)

    def close(self) -> None:
        """Stop the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


@dataclass(frozen=True)
class Configuration:
    """A subject, by its key, and how it is called.

    value: of its search parameter. batch: queries a call.
    """

    subject: Hashable
    value: int
    threads: int
    batch: int


def time_all(
    subjects: Mapping[Hashable, Subject],
    configurations: Sequence[Configuration],
    threads: int,
    budget: Budget,
) -> list[dict[str, float]]:
    """Return median_ms, p95_ms, qps (see `summary`) and peak_mb of each configuration.

    All subjects are in memory at once, each in a worker of its own with at most `threads` threads.

    Raises:
        InputError: what a subject loads is damaged or does not fit, or its process died.
    """
    with ExitStack() as stack:
        workers = {}
        for key, subject in subjects.items():
            workers[key] = Worker(subject, threads)
            stack.callback(workers[key].close)
        for worker in progress(workers.values(), "loading", len(workers), "processes"):
            worker.await_loaded()
        contenders = [
            workers[c.subject].contender(c.value, c.threads, c.batch) for c in configurations
        ]
        took = interleave(contenders, budget)
        peaks = {key: worker.peak_mb() for key, worker in workers.items()}
    return [
        summary(seconds, c.batch) | {"peak_mb": peaks[c.subject]}
        for c, seconds in zip(configurations, took, strict=True)
    ]
