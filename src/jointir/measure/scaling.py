"""The `scaling` stage: search times on a ladder of corpus sizes, on synthetic documents."""

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.progress import say
from jointir.measure.ladder import QUERIES, SYSTEMS, grow, vectors
from jointir.measure.machine import cores, described
from jointir.measure.timing import Budget, check_positive
from jointir.measure.worker import Configuration, Index, time_all
from jointir.search.index import index_bytes

ASKED = 1000  # queries
RESULTS = 100  # of each
COLUMNS = ["system", "n_docs", "dim", "bytes_per_doc", "train_s", "add_s", "index_mb"]
COLUMNS += ["threads", "batch", "median_ms", "p95_ms", "qps", "speedup"]
SHOWN = ["system", "n_docs", "dim", "threads", "median_ms", "speedup"]
CURVE = ["system", "dim", "threads"]


def _build(system: str, N: int, D: int, M: int, seed: int, out: Path) -> dict:
    """Write an index and return the columns that tell of it, without its memory."""
    index, train_s, add_s = grow(system, N, D, M, seed)
    size = index_bytes(index)
    faiss.write_index(index, str(out))
    facts = {"system": system, "n_docs": N, "dim": D, "train_s": train_s, "add_s": add_s}
    return facts | {"bytes_per_doc": (size["codes"] + size["ids"]) // N}


def _rung(
    N: int, D: int, M: int, nprobe: int, counts: list[int], budget: Budget, folder: Path
) -> list[dict]:
    """Return the rows of one size and dimension; the indexes pass through files in `folder`."""
    (queries,) = vectors(ASKED, D, budget.seed, QUERIES)
    files = {system: folder / f"{system}.faiss" for system in SYSTEMS}
    built = {s: _build(s, N, D, M, budget.seed, file) for s, file in files.items()}
    subjects = {s: Index(file, queries, N, RESULTS) for s, file in files.items()}
    wanted = [Configuration(s, nprobe, threads, 1) for s, threads in product(SYSTEMS, counts)]
    times = time_all(subjects, wanted, max(counts), budget)
    return [
        built[c.subject] | {"threads": c.threads, "batch": c.batch} | own
        for c, own in zip(wanted, times, strict=True)
    ]


def slopes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return b of median_ms = a N^b for each system, dim and threads: least squares of logarithms.

    1 is linear in the number of documents. Columns system, dim, threads, b; a curve of one size has
    none.
    """
    found = []
    for key, curve in frame.groupby(CURVE, sort=False):
        if curve["n_docs"].nunique() > 1:
            b, _ = np.polyfit(np.log(curve["n_docs"]), np.log(curve["median_ms"]), 1)
            found.append((*key, b))
    return pd.DataFrame(found, columns=[*CURVE, "b"])


def _against_brute_force(frame: pd.DataFrame) -> pd.Series:
    """Return each row's speed-up over brute force on the same documents, by the median."""
    alike = ["n_docs", "dim", "threads"]
    flat = frame[frame["system"].eq("brute-force")].set_index(alike)["median_ms"]
    own = pd.MultiIndex.from_frame(frame[alike])
    return flat.loc[own].to_numpy() / frame["median_ms"]


def _check(sizes: list[int], dims: list[int], M: int) -> None:
    if not sizes or not dims or min(sizes) < 1:
        found = f"{sizes} documents of {dims} dimensions"
        raise InputError("sizes and dims", found, "Give at least one of each, 1 or more")
    for D in dims:
        if M < 1 or D % (2 * M):  # jpq-4bit has 2M sub-quantizers
            found = f"2 x {M} does not divide the dimension {D}"
            raise InputError("M", found, "Choose half of a divisor of every dimension")


def scaling(
    out: Path,
    machine: Path,
    sizes: list[int],
    dims: list[int],
    M: int = 96,
    nprobe: int = 32,
    seconds: float = 10,
    least: int = 1000,
    rounds: int = 5,
    seed: int = 1,
    threads: int = 1,
) -> None:
    """Write the times of brute force and of JPQ's three ways of search for each size and dimension.

    One query at a time, for the best 100, on one thread and, when `threads` is another, on those.

    Args:
        out: a CSV file. bytes_per_doc: codes, and ids where the index has to keep them. train_s:
            seconds for 16,384 vectors; add_s: to encode and add all; both on `threads`. index_mb:
            see `Worker.peak_mb`. speedup: over brute force in the same rounds, by the median.
        machine: a JSON file of what the times were taken on.
        sizes: numbers of documents N.
        dims: dimensions D.
        M: bytes a document, of jpq (8-bit codes), jpq-4bit (2M codes of 4 bits, FastScan) and
            ivf-jpq (8-bit codes in about sqrt(N) inverted lists).
        nprobe: lists that ivf-jpq visits.
        seconds: for each row, over all rounds, unless `least` queries are answered before.
        least: queries for each row, over all rounds, unless `seconds` have passed before.
        rounds: in which every system has one turn, for one size and dimension.
        seed: of the vectors and of the order in a round.
        threads: the most, 0 for every core that may be used.

    Raises:
        InputError: 2M does not divide a dimension, or a number is not positive.
    """
    budget = Budget(seconds, least, rounds, seed)
    _check(sizes, dims, M)
    threads = threads or cores()
    check_positive(nprobe=nprobe, threads=threads)
    faiss.omp_set_num_threads(threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with described(machine, threads):
        for D, N in product(sorted(set(dims)), sorted(set(sizes))):
            with TemporaryDirectory(dir=out.parent) as folder:
                rows += _rung(N, D, M, nprobe, sorted({1, threads}), budget, Path(folder))
    frame = pd.DataFrame(rows).rename(columns={"peak_mb": "index_mb"})
    frame["speedup"] = _against_brute_force(frame)
    with atomic(out) as scratch:
        frame[COLUMNS].to_csv(scratch, index=False, float_format="%.6g")
    say(frame[SHOWN].to_string(index=False))
    say(slopes(frame).to_string(index=False))
