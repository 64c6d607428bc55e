"""JPQ's search for negatives (decode, multiply) against faiss' table scans of the same index."""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages set it, before faiss is loaded

import faiss
import numpy as np
import torch

from jointir.joint.index import TrainablePQ
from jointir.quantize.pq import read_pq, write_index


def random_index(N: int, D: int, M: int, rng: np.random.Generator) -> faiss.IndexPQ:
    """Return an IndexPQ of random codes and centroids: training would change no timing."""
    index = faiss.IndexPQ(D, M, 8, faiss.METRIC_INNER_PRODUCT)
    centroids = rng.normal(size=M * 256 * (D // M)).astype(np.float32)
    faiss.copy_array_to_vector(centroids, index.pq.centroids)
    index.is_trained = True
    index.add_sa_codes(rng.integers(0, 256, (N, M), dtype=np.uint8))
    return index


def same(ours: np.ndarray, index: faiss.IndexPQ, queries: np.ndarray, n: int) -> float:
    """Return the share of rows that both found; scores, where they differ, must be tied."""
    scores, theirs = index.search(queries, n)
    mine = np.stack([index.reconstruct_batch(r) @ q for r, q in zip(ours, queries, strict=True)])
    np.testing.assert_allclose(mine, scores, rtol=1e-4, atol=1e-3)
    return float(np.mean([len(set(a) & set(b)) / n for a, b in zip(ours, theirs, strict=True)]))


def timed(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each call, interleaved, after one round to warm up."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if turn:
                took[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(ms) for name, ms in took.items()}


def main() -> None:
    """Compare both for one batch of queries at several M, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--N", type=int, default=30_000, help="documents")
    parser.add_argument("--D", type=int, default=384, help="dimensions")
    parser.add_argument("--M", type=int, nargs="+", default=[16, 24, 48, 96], help="bytes each")
    parser.add_argument("--batch", type=int, default=32, help="queries")
    parser.add_argument("--n", type=int, default=200, help="negatives a query")
    parser.add_argument("--rounds", type=int, default=9)
    o = parser.parse_args()
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(o.batch, o.D)).astype(np.float32)
    as_tensor, nothing = torch.from_numpy(queries), torch.zeros(o.batch, 0, dtype=torch.long)
    threads = f"{torch.get_num_threads()} threads of torch, {faiss.omp_get_max_threads()} of faiss"
    print(f"{o.N} documents, D={o.D}, {o.batch} queries, top {o.n}, {threads}")
    print(f"{'M':>4} {'decode+multiply ms':>20} {'faiss scan ms':>14} {'ratio':>6} {'same':>7}")
    for M in o.M:
        index = random_index(o.N, o.D, M, rng)
        with tempfile.TemporaryDirectory() as folder:
            write_index(index, Path(folder) / "i.faiss")
            ours = TrainablePQ(read_pq(Path(folder) / "i.faiss"))
        find = lambda q=ours: q.top_negatives(as_tensor, nothing, nothing.bool(), o.n)  # noqa: E731
        share = same(find().numpy(), index, queries, o.n)
        scan = lambda i=index: i.search(queries, o.n)  # noqa: E731
        ms = timed({"ours": find, "faiss": scan}, o.rounds)
        ratio = ms["faiss"] / ms["ours"]
        print(f"{M:4} {ms['ours']:20.1f} {ms['faiss']:14.1f} {ratio:6.2f} {share:7.2%}")


if __name__ == "__main__":
    main()
