"""The `latency` stage: how long queries take, of every system, to be encoded and to be searched.

Decisions, so that a time means the same for each system:
- each index is alone in a process; one process works at a time, in rounds of shuffled turns (so
  all indexes are in memory at once);
- `threads` limits faiss, BLAS, OpenMP, torch and the tokenizer alike;
- every turn begins with warm-up, and all systems answer the same queries in the same order;
- a call goes from float32 queries to the k best rows, or from texts to float32 embeddings, on the
  host: tokenization, and copies to and from a GPU, count;
- encoders compute in the precision that the `embed` stage chooses.
"""

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.progress import say
from jointir.data.store import read_queries
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_query_matrix
from jointir.encode.precision import CHECKED, autocast, choose_bf16
from jointir.measure.machine import cores, described
from jointir.measure.results import read_meta
from jointir.measure.timing import Budget, check_positive
from jointir.measure.worker import Configuration, Index, Subject, time_all

ABOUT = ["dataset", "system", "setting"]
FACTS = [*ABOUT, "n_docs", "dim"]
TIMES = ["median_ms", "p95_ms", "qps", "peak_mb"]
COLUMNS = [*ABOUT, "threads", "batch", "n_docs", "dim", "stage", *TIMES]


@dataclass
class Encoder(Subject):
    """A query encoder on a device, and Q texts; dim: the dimensions D that it must have."""

    path: Path
    queries: np.ndarray
    dim: int
    device: str

    def prepare(self) -> None:
        """Start the device: its libraries are not the encoder."""
        torch.zeros(1, device=self.device)

    def load(self) -> None:
        """Load the encoder and choose its precision.

        Raises:
            InputError: it is none of this project's, or not of `dim` dimensions.
        """
        self.model = DualEncoder.load(self.path).to(self.device).eval()
        if self.model.dim != self.dim:
            found = f"has {self.model.dim} dimensions, its queries' embeddings {self.dim}"
            raise InputError(self.path, found, "Embed the queries with this encoder")
        some = self.model.tokenize(self.queries[:CHECKED].tolist(), "query")
        self.bf16 = choose_bf16(self.model, some, "auto")

    @torch.inference_mode()
    def call(self, queries: np.ndarray, value: int, threads: int) -> np.ndarray:
        """Return float32[batch, D]."""
        torch.set_num_threads(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        tokens = self.model.tokenize(queries.tolist(), "query")
        with autocast(self.model.device, self.bf16):
            embedded = self.model(tokens)
        return embedded.float().cpu().numpy()


@dataclass(frozen=True)
class System:
    """What belongs to one row of the results table; value: of the index's search parameter."""

    index: Path
    meta: Path
    value: int
    queries: Path
    encoder: Path


def _systems(*lists: list) -> list[System]:
    if len({len(values) for values in lists}) != 1 or not lists[0]:
        counts = ", ".join(str(len(values)) for values in lists)
        found = f"{counts} of index, meta, value, queries, encoder"
        raise InputError("latency", found, "Give one of each for every system and setting")
    return [System(*values) for values in zip(*lists, strict=True)]


def _texts(collection: Path, split: list[str]) -> np.ndarray:
    queries = read_queries(collection)
    texts = queries.loc[queries["split"].isin(split), "text"].to_numpy(object)
    if not len(texts):
        found = f"holds no query of the splits {split}"
        raise InputError(collection, found, "Name the splits whose queries were embedded")
    return texts


def _matrix(path: Path, n_queries: int) -> np.ndarray:
    matrix = read_query_matrix(path)
    if len(matrix) != n_queries:
        found = f"holds {len(matrix)} queries, the splits {n_queries}"
        raise InputError(path, found, "Embed the queries of these splits again")
    return matrix


def _subjects(
    system: System, n_docs: int, texts: np.ndarray, matrix: np.ndarray, k: int
) -> dict[str, Subject]:
    """Return what is timed of a system, by stage. matrix: float32[Q, D] of the Q texts."""
    stages: dict[str, Subject] = {"search": Index(system.index, matrix, n_docs, k)}
    stages["encode"] = Encoder(system.encoder, texts, matrix.shape[1], "cpu")
    if torch.cuda.is_available():
        stages["encode-gpu"] = Encoder(system.encoder, texts, matrix.shape[1], "cuda")
    return stages


def _plan(
    systems: list[System], texts: np.ndarray, k: int, calls: list[tuple[int, int]]
) -> tuple[list[tuple[dict, Configuration]], dict[tuple, Subject]]:
    """Return rows without times, each with what is to be timed for it, and the subjects by key.

    calls: pairs of threads and batch.
    """
    rows, subjects, seen = [], {}, set()
    matrices = {p: _matrix(p, len(texts)) for p in {s.queries for s in systems}}
    for system in systems:
        about = read_meta(system.meta)
        facts = {key: about[key] for key in FACTS}
        name = " ".join(str(facts[key]) for key in ABOUT)
        if name in seen:
            found = f"{name!r} was already given"
            raise InputError(system.meta, found, "Give each system and setting once")
        seen.add(name)
        matrix = matrices[system.queries]
        for stage, subject in _subjects(system, facts["n_docs"], texts, matrix, k).items():
            key = (stage, subject.path, system.queries)
            subjects.setdefault(key, subject)
            value = system.value if stage == "search" else 0  # an encoder has no search parameter
            for threads, batch in calls:
                row = facts | {"stage": stage, "threads": threads, "batch": batch}
                rows.append((row, Configuration(key, value, threads, batch)))
    return rows, subjects


def latency(
    collection: Path,
    split: list[str],
    index: list[Path],
    meta: list[Path],
    value: list[int],
    queries: list[Path],
    encoder: list[Path],
    out: Path,
    machine: Path,
    batch: int = 32,
    k: int = 100,
    threads: int = 0,
    seconds: float = 10,
    least: int = 1000,
    rounds: int = 5,
    seed: int = 1,
) -> None:
    """Write latency.csv: times and memory of each system's search, and of its query encoder.

    Each stage is timed on one thread and on `threads`, one query at a time and `batch` at once.
    An encoder's times are told in the rows of every system that uses it, but taken once.

    Args:
        collection: has the texts of the queries.
        split: whose queries are asked.
        index: ANN folders or faiss files, one for each row of the results table; an index with a
            search parameter comes again for each value.
        meta: in parallel, JSON files of the `retrieve` stage, which tell what a row is about.
        value: in parallel, of the search parameter; any number without one.
        queries: in parallel, matrices of the `embed` stage over the queries of `split`.
        encoder: in parallel, the query encoders.
        out: the CSV file. stage: search, encode, or encode-gpu. median_ms, p95_ms: of a call, which
            answers `batch` queries. qps: queries a second. peak_mb: see `Worker.peak_mb`; it is
            that of the process, and so the same for all rows of an index, and on the host.
        machine: a JSON file of what the times were taken on.
        batch: queries of a batch.
        k: results of a query.
        threads: the most, 0 for every core that may be used.
        seconds: for each row, over all rounds, unless `least` queries are answered before.
        least: queries for each row, over all rounds, unless `seconds` have passed before.
        rounds: in which every row has one turn.
        seed: of the order in a round.

    Raises:
        InputError: lists of different lengths, a number that is not positive, a system and setting
            given twice, an index or encoder that does not fit the queries or whose process died.
    """
    budget = Budget(seconds, least, rounds, seed)
    threads = threads or cores()
    check_positive(batch=batch, k=k, threads=threads)
    systems = _systems(index, meta, value, queries, encoder)
    calls = list(product(sorted({1, threads}), sorted({1, batch})))
    rows, subjects = _plan(systems, _texts(collection, split), k, calls)
    configurations = list(dict.fromkeys(configuration for _, configuration in rows))
    say(f"{len(configurations)} configurations, {len(subjects)} processes, {threads} threads")
    with described(machine, threads):
        times = time_all(subjects, configurations, threads, budget)
    of = dict(zip(configurations, times, strict=True))
    frame = pd.DataFrame([facts | of[configuration] for facts, configuration in rows])
    with atomic(out) as scratch:
        frame[COLUMNS].to_csv(scratch, index=False, float_format="%.6g")
