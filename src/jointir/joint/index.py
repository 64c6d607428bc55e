"""The PQ index as JPQ trains it: eq. 14, 15 and 20 over fixed codes."""

import numpy as np
import torch

from jointir.joint.search import top_rows
from jointir.quantize.pq import PQ
from jointir.train.candidates import Candidates


class TrainablePQ(torch.nn.Module):
    """Centroid embeddings to train; rotation and index assignments stay as OPQ left them."""

    def __init__(self, pq: PQ):
        super().__init__()
        self.centroids = torch.nn.Parameter(torch.from_numpy(pq.centroids.copy()))  # [M, K, D/M]
        self.register_buffer("rotation", torch.from_numpy(pq.rotation.copy()))  # [D, D]
        self.register_buffer("codes", torch.from_numpy(pq.codes.copy()))  # uint8[N, M]
        self.register_buffer("mined", None)  # int64[n], ascending; None: all N

    def mine_from(self, among: Candidates) -> None:
        """Let negatives be found among these documents alone."""
        if len(among.rows) < len(self.codes):
            self.mined = torch.from_numpy(among.rows).to(self.codes.device)
            self.register_buffer("mined_codes", self.codes[self.mined])

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

        They are found among all documents, or among those that `mine_from` was told.

        never: int64[B, P], the relevant rows of each query and others that are no negatives,
        padded; valid: bool[B, P]. Exact: every document is scored. A query with fewer than n
        documents left has -1 at the end of its list.
        """
        left_out = torch.where(valid, never, -1)
        tables = self.tables(queries.float())
        if self.mined is None:
            return top_rows(self.codes, tables, left_out, _at_most(n, left_out, len(self.codes)))
        at = torch.searchsorted(self.mined, left_out).clamp(max=len(self.mined) - 1)
        places = torch.where(self.mined[at] == left_out, at, -1)
        n = _at_most(n, places, len(self.mined))
        found = top_rows(self.mined_codes, tables, places, n)
        return torch.where(found < 0, -1, self.mined[found])

    @torch.no_grad()
    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Return int64[Q, k], the best of all documents for queries float32[Q, D], best first."""
        given = torch.from_numpy(queries).to(self.centroids.device)
        return self.best(given, k).cpu().numpy()

    @torch.no_grad()
    def best(self, queries: torch.Tensor, k: int) -> torch.Tensor:
        """Return `search` of queries on the index's device; k is N at most."""
        none = torch.full((len(queries), 1), -1, device=queries.device)
        return top_rows(self.codes, self.tables(queries), none, min(k, len(self.codes)))


def _at_most(n: int, left_out: torch.Tensor, N: int) -> int:
    """Return n, or how many of N documents are left for the query that has the most."""
    if n <= N - left_out.shape[1]:
        return n
    return min(n, N - int((left_out >= 0).sum(1).min()))
