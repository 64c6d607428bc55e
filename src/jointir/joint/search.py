"""Exact search of PQ codes: eq. 12 for every document, and the best of them, in bounded memory.

A score is a sum of M table entries, D / M times less arithmetic than to decode a document and
multiply. The time goes into fetching the entries, so documents are first scored with entries of
16 bits, and those that the error of that cannot rule out again with the entries themselves.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import torch
from torch.nn.functional import embedding_bag

T = TypeVar("T")
CHUNK = 4096  # documents scored at a time: their indices stay in the processor's cache
CHUNK_CUDA = 2**20  # a GPU wants few large calls: 0.4 GB of int32 at M = 96, whatever N
ENOUGH = 4096  # documents that wait to be scored exactly
LARGEST = 2.0**13  # of a sum of entries of 16 bits, which end at 65,504
ERROR = 3 * LARGEST * 2.0**-11  # of one: its entries and itself are rounded to 11 bits


@torch.no_grad()
def top_rows(
    codes: torch.Tensor, tables: torch.Tensor, excluded: torch.Tensor, n: int
) -> torch.Tensor:
    """Return int64[B, n], the rows of the highest scores for each query, best first.

    codes: uint8[N, M]. tables: float32[B, M, K], tau of eq. 11. excluded: int64[B, P], rows that a
    query's list must not hold, -1 for none; n is at most N - P.
    """
    B, M, K = tables.shape
    # of all queries, side by side: a view with other strides would be 70 times slower
    entries = tables.permute(1, 2, 0).reshape(M * K, B).contiguous()
    parts = 1 if codes.is_cuda else min(torch.get_num_threads(), -(-len(codes) // CHUNK))
    bounds = [len(codes) * i // parts for i in range(parts + 1)]
    search = partial(_search, codes, entries, *_rough(entries, M), excluded, n)
    found = in_threads(search, bounds)
    scores, rows = (torch.cat(of_all, 1) for of_all in zip(*found, strict=True))
    return rows.gather(1, scores.topk(n, dim=1).indices)


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
    entries: torch.Tensor,
    rough: torch.Tensor,
    factor: torch.Tensor,
    excluded: torch.Tensor,
    n: int,
    begin: int,
    end: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best n scores and rows, float and int64[B, n], of the rows from begin to end.

    entries: float[M K, B], the tables of all queries; rough, factor: what `_rough` makes of them.
    """
    M, B = codes.shape[1], entries.shape[1]
    first = len(entries) // M * torch.arange(M, dtype=torch.int32, device=codes.device)
    best = entries.new_full((B, n), torch.finfo(entries.dtype).min)  # excluded ones are below it
    rows = torch.zeros(B, n, dtype=torch.long, device=codes.device)
    bar = torch.full_like(factor, -torch.inf)
    waiting: list[torch.Tensor] = []
    for at, to in _chunks(begin, end, CHUNK_CUDA if codes.is_cuda else CHUNK):
        sums = embedding_bag(codes[at:to].int().add_(first), rough, mode="sum")  # [c, B]
        waiting.append(((sums - bar).amax(1) > 0).nonzero().squeeze(1) + at)  # for any query
        if to < end and sum(map(len, waiting)) < ENOUGH:
            continue
        chosen, waiting = torch.cat(waiting), []
        scores = embedding_bag(codes[chosen].int().add_(first), entries, mode="sum")
        scores.masked_fill_((chosen[:, None, None] == excluded).any(2), -torch.inf)
        scores, of = torch.cat([best, scores.T], 1).topk(n, dim=1)
        rows = torch.cat([rows, chosen.expand(B, -1)], 1).gather(1, of)
        best, bar = scores, scores[:, -1] * factor - ERROR
    return best, rows


def _chunks(begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of chunks; a small one comes first, as all of it is scored twice."""
    to = min(begin + CHUNK, end)
    yield begin, to
    for at in range(to, end, size):
        yield at, min(at + size, end)


def _rough(entries: torch.Tensor, M: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float16[M K, B], entries times float[B], a factor for each query, and that factor.

    With it no sum exceeds LARGEST, and none is off by more than ERROR.
    """
    most = entries.view(M, -1, entries.shape[1]).abs().amax(1).sum(0)  # [B], no score exceeds it
    factor = LARGEST / most.clamp(min=1e-30)
    wide = sums_are_wide(entries.device)
    return (entries * factor).to(torch.float16 if wide else entries.dtype), factor


@cache
def sums_are_wide(device: torch.device) -> bool:
    """Return whether embedding_bag sums float16 in float32: in 11 bits, 2048 + 1 is 2048."""
    table = torch.tensor([[2048.0], [1.0]], dtype=torch.float16, device=device)
    bag = torch.tensor([[0] + [1] * 1024], dtype=torch.int32, device=device)
    return embedding_bag(bag, table, mode="sum").item() == 3072
