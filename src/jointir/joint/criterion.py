"""What a loss of JPQ is made of, and the embeddings that it needs."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.basics.readers import read_npy
from jointir.data.store import read_queries
from jointir.encode.matrix import read_embeddings
from jointir.methods.jpq import Settings


@dataclass(frozen=True)
class Criterion:
    """What the loss of a batch is made of.

    negatives: n of eq. 20. lambda_cut: the rank beyond which 1/rank is 0. scale: on inner products
    as they are.
    exact: score documents' own embeddings, s of eq. 2, and not the quantized ones, s-dagger.
    reconstruction: weight of |d - d-dagger|^2 of the relevant documents; JPQ has 0.
    ranking: weight of eq. 21; JPQ has 1. distillation: weight of the KL from the starting encoder's
    exact scores to the quantized ones, over the best n of all documents; JPQ has 0.
    """

    negatives: int
    lambda_cut: int
    scale: float
    exact: bool = False
    reconstruction: float = 0.0
    ranking: float = 1.0
    distillation: float = 0.0

    @classmethod
    def of(cls, settings: Settings, unit: float) -> "Criterion":
        """Return that of a training whose encoder's mean squared norm is `unit`."""
        own = {f.name: getattr(settings, f.name) for f in fields(cls)}
        own |= {"scale": settings.scale / unit, "reconstruction": settings.reconstruction / unit}
        return cls(**own)


def embedded_rows(docs: np.ndarray, rows: torch.Tensor) -> torch.Tensor:
    """Return float32[..., D], the embeddings of int64[...] rows, on the device of `rows`."""
    return torch.from_numpy(docs[rows.cpu().numpy()].astype(np.float32)).to(rows.device)


def read_docs(
    path: Path | None, collection: Path, dim: int, criterion: Criterion
) -> np.ndarray | None:
    """Return the embeddings that the criterion needs, None where it needs none."""
    if not criterion.exact and not criterion.reconstruction and not criterion.distillation:
        return None
    if path is None:
        found = "exact scores, reconstruction and distillation need it"
        raise InputError("docs", found, "Name docs.npy")
    return read_embeddings(path, collection, dim)


def read_teacher(
    path: Path | None, collection: Path, dim: int, criterion: Criterion
) -> np.ndarray | None:
    """Return float[T, D], the train queries that `distillation` needs, None where it is not on."""
    if not criterion.distillation:
        return None
    if path is None:
        raise InputError("teacher", "distillation needs it", "Name the train queries' embeddings")
    matrix, T = read_npy(path, mapped=True), len(read_queries(collection, "train"))
    if matrix.shape != (T, dim):
        found = (
            f"has the shape {matrix.shape}, the collection {T} train queries of {dim} dimensions"
        )
        raise InputError(path, found, "Embed the train queries by the same encoder")
    return matrix
