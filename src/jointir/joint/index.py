"""The PQ index as JPQ trains it: eq. 14, 15 and 20 over fixed codes."""

import torch

from jointir.joint.search import top_rows
from jointir.quantize.pq import PQ


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
        self, queries: torch.Tensor, never: torch.Tensor, valid: torch.Tensor, n: int
    ) -> torch.Tensor:
        """Return eq. 20: int64[B, n], the highest-scored rows but for those of `never`, best first.

        never: int64[B, P], the relevant rows of each query and others that are no negatives,
        padded; valid: bool[B, P]. Exact: every document is scored. A query with fewer than n
        documents left has -1 at the end of its list.
        """
        if n > len(self.codes) - never.shape[1]:
            n = min(n, len(self.codes) - int(valid.sum(1).min()))
        left_out = torch.where(valid, never, -1)
        return top_rows(self.codes, self.tables(queries.float()), left_out, n)
