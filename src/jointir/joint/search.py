"""Exact search of PQ codes: eq. 12 for every document, and the best of them, in bounded memory.

A score is a sum of M table entries, D / M times less arithmetic than to decode a document and
multiply. On a CPU the time goes into fetching the entries, so there documents are first scored with
entries of 16 bits, and those that the error of that cannot rule out again with the entries
themselves.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from jointir.joint.scan import QUERIES, Rough

T = TypeVar("T")
CHUNK = 4096  # documents scored at a time: their indices stay in the processor's cache
CHUNK_CUDA = 2**20  # a GPU wants few large calls: 0.4 GB of int32 at M = 96, whatever N
SHARE = 2**15  # documents below which a thread of their own would not pay


@torch.no_grad()
def top_rows(
    codes: torch.Tensor, tables: torch.Tensor, excluded: torch.Tensor, n: int
) -> torch.Tensor:
    """Return int64[B, n], the rows of the highest scores for each query, best first.

    codes: uint8[N, M], below K. tables: float32[B, M, K], tau of eq. 11. excluded: int64[B, P],
    rows that a query's list must not hold, -1 for none; n is at most N - P.
    """
    if codes.is_cuda:
        return _search(codes, tables, excluded, n, 0, len(codes))[1]
    parts = min(torch.get_num_threads(), -(-len(codes) // SHARE))
    bounds = [len(codes) * i // parts for i in range(parts + 1)]
    lists = []
    for own, out in zip(tables.split(QUERIES), excluded.split(QUERIES), strict=True):
        search = partial(_search, codes, own, out, n, rough=Rough(own))
        found = in_threads(search, bounds)
        scores, rows = (torch.cat(of_all, 1) for of_all in zip(*found, strict=True))
        lists.append(rows.gather(1, scores.topk(n, dim=1).indices))
    return torch.cat(lists)


def in_threads(call: Callable[[int, int], T], bounds: list[int]) -> list[T]:
    """Return what `call` returns for each part between two bounds, each computed by one thread.

    The operations on a chunk are too small to be split among threads one by one.
    """
    if len(bounds) == 2:
        return [call(*bounds)]
    threads = torch.get_num_threads()
    alone = {"initializer": torch.set_num_threads, "initargs": (1,)}  # its operations' threads
    try:
        with ThreadPoolExecutor(len(bounds) - 1, **alone) as pool:
            return list(pool.map(call, bounds, bounds[1:]))
    finally:
        torch.set_num_threads(threads)  # what threads yet to come begin with


@torch.no_grad()
def _search(
    codes: torch.Tensor,
    tables: torch.Tensor,
    excluded: torch.Tensor,
    n: int,
    begin: int,
    end: int,
    rough: Rough | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best n scores and rows, float and int64[B, n], of the rows from begin to end.

    Without `rough` every document is scored with the tables themselves.
    """
    B, M, K = tables.shape
    # of all queries, side by side: a view with other strides would be 70 times slower
    entries = tables.permute(1, 2, 0).reshape(M * K, B).contiguous()
    first = K * torch.arange(M, dtype=torch.int32, device=codes.device)
    best = entries.new_full((B, n), torch.finfo(entries.dtype).min)  # excluded ones are below it
    rows = torch.zeros(B, n, dtype=torch.long, device=codes.device)
    for chosen in _candidates(codes, begin, end, rough, best):
        scores = embedding_bag(codes[chosen].int().add_(first), entries, mode="sum")  # [c, B]
        scores.masked_fill_((chosen[:, None, None] == excluded).any(2), -torch.inf)
        scores, of = torch.cat([best, scores.T], 1).topk(n, dim=1)
        rows = torch.cat([rows, chosen.expand(B, -1)], 1).gather(1, of)
        best.copy_(scores)
    return best, rows


def _candidates(
    codes: torch.Tensor, begin: int, end: int, rough: Rough | None, best: torch.Tensor
) -> Iterator[torch.Tensor]:
    """Yield int64[c], rows of documents that may be among the best; the others are not.

    best: float[B, n], the scores of the best so far, which the consumer updates.
    """
    if rough is None:
        for at in range(begin, end, CHUNK_CUDA):
            yield torch.arange(at, min(at + CHUNK_CUDA, end), device=codes.device)
        return
    out = np.empty(CHUNK, np.int64)
    while begin < end:
        found, begin = rough.scan(codes.numpy(), begin, end, rough.bars(best[:, -1]), out)
        yield torch.from_numpy(out[:found].copy())
