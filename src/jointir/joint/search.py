"""Exact search of PQ codes: eq. 12 for every document, and the best of them, in bounded memory.

A score is a sum of M table entries, D / M times less arithmetic than to decode a document and
multiply.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from jointir.joint.scan import QUERIES, Scan

CHUNK = 2**20  # documents that a GPU scores at a time: 0.4 GB of int32 at M = 96, whatever N
SHARE = 2**15  # documents below which a thread of their own would not pay


@torch.no_grad()
def top_rows(
    codes: torch.Tensor, tables: torch.Tensor, excluded: torch.Tensor, n: int
) -> torch.Tensor:
    """Return int64[B, n], the rows of the highest scores for each query, best first.

    codes: integers[N, M], below K: uint8, but for Uncompressed, whose K is N. tables: float32[B, M,
    K], tau of eq. 11. excluded: int64[B, P], rows that a query's list must not hold, -1 for none. A
    query with fewer than n rows left has -1 at the end of its list.
    """
    if codes.is_cuda:
        return in_chunks(codes, tables, excluded, n)
    batches = zip(tables.split(QUERIES), excluded.split(QUERIES), strict=True)
    lists = [in_threads(codes.numpy(), own.numpy(), out.numpy(), n) for own, out in batches]
    return torch.from_numpy(np.concatenate(lists))


def in_threads(codes: np.ndarray, tables: np.ndarray, excluded: np.ndarray, n: int) -> np.ndarray:
    """Return `top_rows` of at most QUERIES queries: each thread scans its part of the documents.

    Of equal scores the first row is the best, whatever the number of threads.
    """
    scan = Scan(tables)
    parts = min(torch.get_num_threads(), -(-len(codes) // SHARE))
    bounds = [len(codes) * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        found = pool.map(lambda *part: scan.top(codes, excluded, n, *part), bounds, bounds[1:])
        scores, rows = (np.concatenate(of_all, 1) for of_all in zip(*found, strict=True))
    best = np.lexsort((rows, -scores))[:, :n]
    return np.take_along_axis(rows, best, 1)


def in_chunks(
    codes: torch.Tensor, tables: torch.Tensor, excluded: torch.Tensor, n: int
) -> torch.Tensor:
    """Return `top_rows` with a running top n over chunks of documents."""
    B, M, K = tables.shape
    # of all queries, side by side: a view with other strides would be 70 times slower
    entries = tables.permute(1, 2, 0).reshape(M * K, B).contiguous()
    first = K * torch.arange(M, dtype=torch.int32, device=codes.device)
    best = entries.new_full((B, n), torch.finfo(entries.dtype).min)  # excluded ones are below it
    rows = torch.full((B, n), -1, dtype=torch.long, device=codes.device)
    query = torch.arange(B, device=codes.device)[:, None].expand_as(excluded)
    for at in range(0, len(codes), CHUNK):
        chunk = codes[at : at + CHUNK].int().add_(first)
        own = torch.arange(at, at + len(chunk), device=codes.device)
        scores = embedding_bag(chunk, entries, mode="sum")  # [c, B]
        here = (excluded >= at) & (excluded < at + len(chunk))
        scores[excluded[here] - at, query[here]] = -torch.inf
        best, of = torch.cat([best, scores.T], 1).topk(n, dim=1)
        rows = torch.cat([rows, own.expand(B, -1)], 1).gather(1, of)
    return rows
