"""JPQ's search for negatives, and a training step, with the codes resident on the device.

python benchmarks/gpu_negatives.py [--N 8841823]: on a GPU; on a CPU it runs too, at a small N, so
that it is known to work. Goal: 30 ms for the search of 32 queries at 8.8 million documents of 96
bytes on an H200. Contenders take turns; `same` is the share of the product's negatives found.

What bounds each, on paper, for 8.8M x 96 codes: the product reads, for every code, 128 bytes of a
table that fits in the L2 cache, 109 GB; decoding to bfloat16 writes and reads 27 GB of device
memory, and multiplies on tensor cores. The latter is not exact: it finds `SPARE` times the
negatives, which are then scored in float32.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages set it

import numpy as np
import torch
from search_negatives import random_pq
from torch.nn.functional import softplus

from jointir.encode.encoder import best_device
from jointir.joint.index import TrainablePQ
from jointir.measure.machine import processor

PRODUCT = "product (tables of float32)"
SPARE = 2
CHUNK = 2**18  # documents decoded at a time: 0.4 GB in bfloat16

Search = Callable[[torch.Tensor], torch.Tensor]


def product(index: TrainablePQ, n: int) -> Search:
    """Return the search that training uses."""

    def search(queries: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros(len(queries), 0, dtype=torch.long, device=queries.device)
        return index.top_negatives(queries, nothing, nothing.bool(), n)

    return search


@torch.no_grad()
def decode_bf16(index: TrainablePQ, n: int, queries: torch.Tensor) -> torch.Tensor:
    """Return the top n of the best SPARE n by documents decoded to bfloat16, scored exactly."""
    M, K, sub = index.centroids.shape
    flat = index.centroids.bfloat16().reshape(M * K, sub)
    rotated = (queries @ index.rotation.T).bfloat16()
    first = K * torch.arange(M, dtype=torch.int32, device=queries.device)
    best, rows = [], []
    for at in range(0, len(index.codes), CHUNK):
        codes = index.codes[at : at + CHUNK].int()
        decoded = flat.index_select(0, (codes + first).flatten()).view(len(codes), M * sub)
        scores = (rotated @ decoded.T).float()  # [B, c]
        top = scores.topk(min(SPARE * n, scores.shape[1]), dim=1)
        best.append(top.values)
        rows.append(top.indices + at)
    keep = torch.cat(best, 1).topk(SPARE * n, dim=1).indices
    found = torch.cat(rows, 1).gather(1, keep)
    return found.gather(1, index.scores(queries, found).topk(n, dim=1).indices)


def step(index: TrainablePQ, search: Search, optimizer: torch.optim.Optimizer) -> Search:
    """Return a training step of the index alone: search, loss, backward pass, update."""

    def run(queries: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        rows = search(queries)
        scores = index.scores(queries, rows)  # [B, n]
        loss = softplus(scores - scores[:, :1]).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def timed(calls: dict[str, Search], queries: torch.Tensor, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each call, in turns, the device awaited."""
    wait = torch.cuda.synchronize if queries.is_cuda else lambda: None
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            wait()
            begin = time.perf_counter()
            call(queries)
            wait()
            if turn > 1:  # two rounds to warm up
                took[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(ms) for name, ms in took.items()}


def main() -> None:
    """Time every way of search and one training step, print medians and what was found."""
    device = best_device()
    parser = argparse.ArgumentParser(description=__doc__)
    large = 8_841_823 if device.type == "cuda" else 100_000
    parser.add_argument("--N", type=int, default=large, help="documents")
    parser.add_argument("--D", type=int, default=768, help="dimensions")
    parser.add_argument("--M", type=int, default=96, help="bytes each")
    parser.add_argument("--batch", type=int, default=32, help="queries")
    parser.add_argument("--n", type=int, default=200, help="negatives a query")
    parser.add_argument("--rounds", type=int, default=9)
    o = parser.parse_args()
    index = TrainablePQ(random_pq(o.N, o.D, o.M, np.random.default_rng(0))).to(device)
    queries = torch.from_numpy(np.random.default_rng(1).normal(size=(o.batch, o.D)))
    queries = queries.float().to(device)
    searches = {
        PRODUCT: product(index, o.n),
        "decoded to bfloat16, re-ranked": lambda q: decode_bf16(index, o.n, q),
    }
    found = {name: search(queries).sort(1).values for name, search in searches.items()}
    exact = found[PRODUCT]
    optimizer = torch.optim.AdamW([index.centroids], lr=1e-6, fused=True)
    training = step(index, searches[PRODUCT], optimizer)
    ms = timed(searches | {"training step, without the encoder": training}, queries, o.rounds)
    gpu = torch.cuda.get_device_name() if device.type == "cuda" else None
    name = gpu or processor()[0]
    print(f"{o.N} documents x {o.M} bytes, {o.batch} queries, top {o.n}, on {name}")
    for way, took in ms.items():
        share = ""
        if way in found:
            alike = [
                torch.isin(a, b).float().mean() for a, b in zip(exact, found[way], strict=True)
            ]
            share = f"{torch.stack(alike).mean():8.3%} same"
        print(f"{way:36} {took:10.1f} ms {share}")
    if gpu:
        print(
            f"peak device memory {torch.cuda.max_memory_allocated() / 1e9:.2f} GB, codes included"
        )


if __name__ == "__main__":
    main()
