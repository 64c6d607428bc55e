"""JPQ's search for negatives against the way of its authors, faiss' scan of an IVFPQ.

The same codes, the same threads, in turns. `same` is the share of rows that both found. On a busy
machine the ratio of CPU time says more than that of wall time.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import product

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages set it, before faiss is loaded

import faiss
import numpy as np
import torch

from jointir.joint.index import TrainablePQ
from jointir.measure.machine import processor
from jointir.quantize.pq import PQ


def random_pq(N: int, D: int, M: int, rng: np.random.Generator) -> PQ:
    """Return random codes and centroids: training would change no timing."""
    centroids = rng.normal(size=(M, 256, D // M)).astype(np.float32)
    codes = rng.integers(0, 256, (N, M), dtype=np.uint8)
    return PQ(np.eye(D, dtype=np.float32), centroids, codes)


def original(pq: PQ) -> faiss.IndexIVFPQ:
    """Return the index that JPQ's authors search while they train: PQ in one inverted list.

    Theirs is of residuals, to a coarse centroid which they fold into the PQ's before training.
    """
    M, _, sub = pq.centroids.shape
    coarse = faiss.IndexFlatIP(M * sub)
    coarse.add(np.zeros((1, M * sub), np.float32))
    index = faiss.IndexIVFPQ(coarse, M * sub, 1, M, 8, faiss.METRIC_INNER_PRODUCT)
    index.referenced_objects = [coarse]
    index.by_residual = False
    faiss.copy_array_to_vector(pq.centroids.ravel(), index.pq.centroids)
    index.is_trained, index.ntotal = True, len(pq.codes)
    ids = np.arange(len(pq.codes))
    index.invlists.add_entries(0, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(pq.codes))
    return index


def same(ours: np.ndarray, index: faiss.Index, pq: PQ, queries: np.ndarray) -> float:
    """Return the share of rows that both found; scores, where they differ, must be tied."""
    scores, theirs = index.search(queries, ours.shape[1])
    mine = np.stack([pq.decode(r) @ q for r, q in zip(ours, queries, strict=True)])
    np.testing.assert_allclose(mine, scores, rtol=1e-4, atol=1e-3)
    return float(
        np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(ours, theirs, strict=True)])
    )


def timed(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Return the median milliseconds of each call by the wall and of CPU, float64[2].

    Interleaved, after one round to warm up.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter(), time.process_time()
            call()
            if turn:
                ended = time.perf_counter(), time.process_time()
                took[name].append((ended[0] - begin[0], ended[1] - begin[1]))
    return {name: 1e3 * np.median(seconds, axis=0) for name, seconds in took.items()}


def compare(o: argparse.Namespace, M: int, threads: int) -> str:
    """Return a row of the table: both searches of one index on so many threads."""
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(o.batch, o.D)).astype(np.float32)
    as_tensor, nothing = torch.from_numpy(queries), torch.zeros(o.batch, 0, dtype=torch.long)
    pq = random_pq(o.N, o.D, M, rng)
    ours, theirs = TrainablePQ(pq), original(pq)
    calls = {
        "ours": lambda: ours.top_negatives(as_tensor, nothing, nothing.bool(), o.n),
        "faiss": lambda: theirs.search(queries, o.n),
    }
    share = same(calls["ours"]().numpy(), theirs, pq, queries)
    ms = timed(calls, o.rounds)
    own, other = (f"{wall:8.0f} {cpu:8.0f}" for wall, cpu in (ms["ours"], ms["faiss"]))
    ratio = "{:6.2f} {:6.2f}".format(*(ms["faiss"] / ms["ours"]))
    return f"{M:4} {threads:8} {own} {other} {ratio} {share:8.2%}"


def main() -> None:
    """Compare both for one batch of queries at several M, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--N", type=int, default=1_000_000, help="documents")
    parser.add_argument("--D", type=int, default=768, help="dimensions")
    parser.add_argument("--M", type=int, nargs="+", default=[24, 96], help="bytes each")
    parser.add_argument("--batch", type=int, default=32, help="queries")
    parser.add_argument("--n", type=int, default=200, help="negatives a query")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    o = parser.parse_args()
    model, flags = processor()
    where = f"{model} ({' '.join(flags)}), load {os.getloadavg()[0]:.1f}"
    print(f"{o.N} documents, D={o.D}, {o.batch} queries, top {o.n}; {where}")
    print("             -- ours, ms -- - faiss IVFPQ - --- ratio ---")
    print("   M  threads     wall      cpu     wall      cpu   wall    cpu     same")
    for M, threads in product(o.M, o.threads):
        print(compare(o, M, threads), flush=True)


if __name__ == "__main__":
    main()
