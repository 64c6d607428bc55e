"""Embeddings of all training texts, kept beside the training and renewed as it goes.

A batch of 8,192 (the paper's) keeps documents apart; one of 100 does not: in-batch pressure ends
at the size of the batch. Here every embedding is at hand at any step, as old as its last encoding.
Through the banks the indexing module and the decoder see thousands of documents and hundreds of
queries a step; the encoder sees the few that are encoded anew.
"""

import numpy as np
import torch
from torch import nn

from jointir.generative.indexers import SemanticIndexer

COLLIDING = 4  # with 1, the crowd around an identifier dissolved too slowly: reports/LOG.md
CHUNK = 16_384  # documents whose distributions are in memory at a time


class Bank(nn.Module):
    """embeddings: float[N, D].

    They are a parameter only so that a training's checkpoint holds them: no optimizer and no
    gradient touches them.
    """

    def __init__(self, embeddings: np.ndarray):
        super().__init__()
        self.embeddings = nn.Parameter(torch.from_numpy(np.array(embeddings, np.float32)))

    def __len__(self) -> int:
        return len(self.embeddings)

    def rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the embeddings float[n, D] of int64[n], as constants."""
        return self.embeddings.detach()[rows]

    def update(self, rows: torch.Tensor, e: torch.Tensor) -> None:
        """Keep the embeddings float[n, D] just computed of int64[n]."""
        self.embeddings.data[rows] = e.detach().to(self.embeddings)


class DocumentBank(Bank):
    """Embeddings, and which documents shared an identifier at the last `refresh`."""

    def identifiers(self, indexer: SemanticIndexer) -> torch.Tensor:
        """Return those of all documents as the indexing module has them now, int64[N, L]."""
        return torch.cat([indexer.ids(e) for e in self.embeddings.detach().split(CHUNK)])

    def refresh(self, indexer: SemanticIndexer) -> int:
        """Assign identifiers to all documents; return how many are distinct."""
        ids = self.identifiers(indexer)
        unique = {"dim": 0, "return_inverse": True, "return_counts": True}
        _, group, count = (t.cpu() for t in torch.unique(ids, **unique))
        self._order = torch.argsort(group, stable=True)
        first = torch.cumsum(count, 0) - count
        self._start, self._count = first[group], count[group]  # [N], of each document's group
        return len(count)

    def colliding(self, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return others of the same identifier, COLLIDING draws for each of `rows` that has any."""
        crowded = rows[self._count[rows] > 1].repeat(COLLIDING)
        drawn = torch.from_numpy(rng.random(len(crowded)))
        found = self._order[self._start[crowded] + (drawn * self._count[crowded]).long()]
        return found[found != crowded]

    def neighbours(self, rows: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
        """Return `size` distinct documents, none of `rows`: colliding ones first, then any."""
        colliding = self.colliding(rows, rng)
        others = rng.integers(0, len(self), 2 * size + 2 * len(rows))
        pool, first = np.unique(np.concatenate([colliding.numpy(), others]), return_index=True)
        pool = pool[np.argsort(first)]  # distinct, in the order drawn
        return torch.from_numpy(pool[~np.isin(pool, rows.numpy())][:size])
