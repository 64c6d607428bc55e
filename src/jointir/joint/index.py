"""The PQ index as JPQ trains it: eq. 14, 15 and 20 over fixed codes."""

import torch
from torch.nn.functional import embedding_bag

from jointir.quantize.pq import PQ

CHUNK = 16_384  # documents scored at a time: their scores stay in the processor's cache
CHUNK_CUDA = 2**20  # a GPU wants few large calls: 0.4 GB of int32 at M = 96, whatever N


class TrainablePQ(torch.nn.Module):
    """Centroid embeddings to train; rotation and index assignments stay as OPQ left them."""

    def __init__(self, pq: PQ):
        super().__init__()
        self.centroids = torch.nn.Parameter(torch.from_numpy(pq.centroids.copy()))  # [M, K, D/M]
        self.register_buffer("rotation", torch.from_numpy(pq.rotation.copy()))  # [D, D]
        self.register_buffer("codes", torch.from_numpy(pq.codes.copy()))  # uint8[N, M]

    def tables(self, queries: torch.Tensor) -> torch.Tensor:
        """Return tau of eq. 11: float[B, D] queries, not yet rotated, to float[B, M, K]."""
        M, _, sub = self.centroids.shape
        rotated = (queries @ self.rotation.T).view(len(queries), M, sub)
        return torch.einsum("bms,mks->bmk", rotated, self.centroids)

    def scores(self, queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return s-dagger of eq. 12 for int64[B, n] document rows: float[B, n].

        Summing table entries equals eq. 14 and 15, and its backward pass (eq. 18) scatters into
        tables of [B, M, K] instead of reconstructed documents of [B, n, D].
        """
        tables = self.tables(queries)
        codes = self.codes[rows].long().transpose(1, 2)  # [B, M, n]
        return tables.gather(2, codes).sum(1)

    def distortion(self, docs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return eq. 9 document by document, float[n]: |d - d-dagger|^2 for float[n, D] `docs`.

        rows: int64[n], where the documents are in the index. docs: not yet rotated.
        """
        slots = torch.arange(len(self.centroids), device=rows.device)
        decoded = self.centroids[slots, self.codes[rows].long()].flatten(1)  # [n, D]
        return (docs @ self.rotation.T - decoded).square().sum(1)

    @torch.no_grad()
    def top_negatives(
        self, queries: torch.Tensor, positives: torch.Tensor, valid: torch.Tensor, n: int
    ) -> torch.Tensor:
        """Return eq. 20: int64[B, n], the highest-scored rows that are not relevant, best first.

        positives: int64[B, P] relevant rows, padded; valid: bool[B, P]. Exact: every document is
        scored, in chunks, with a running top n. In a collection of fewer than n + P documents, the
        list is shorter.
        """
        n = min(n, len(self.codes) - positives.shape[1])  # else relevant ones would fill the list
        tables = self.tables(queries.float())
        B, M, K = tables.shape
        # of all queries, side by side: a view with other strides would be 70 times slower
        entries = tables.permute(1, 2, 0).reshape(M * K, B).contiguous()
        first = K * torch.arange(M, dtype=torch.int32, device=queries.device)
        best = tables.new_full((B, n), torch.finfo(tables.dtype).min)  # finite: inf - inf is none
        rows = torch.zeros(B, n, dtype=torch.long, device=queries.device)
        size = min(CHUNK_CUDA if queries.is_cuda else CHUNK, len(self.codes))
        indices = torch.empty(size, M, dtype=torch.int32, device=queries.device)
        for at in range(0, len(self.codes), size):
            codes = self.codes[at : at + size]
            # M additions a document and query: D / M times less than to decode it and multiply
            own = indices[: len(codes)].copy_(codes).add_(first)
            scores = embedding_bag(own, entries, mode="sum")  # [c, B]
            b, p = torch.nonzero(
                valid & (positives >= at) & (positives < at + len(codes)), as_tuple=True
            )
            scores[positives[b, p] - at, b] = -torch.inf
            better = ((scores - best[:, -1]).amax(1) > 0).nonzero().squeeze(1)  # for any query
            best = torch.cat([best, scores[better].T], 1)
            rows = torch.cat([rows, (better + at).expand(B, -1)], 1)
            keep = best.topk(n, dim=1).indices
            best, rows = best.gather(1, keep), rows.gather(1, keep)
        return rows
