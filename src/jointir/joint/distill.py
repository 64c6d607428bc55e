"""Train a PQ index alone and without labels: its scores learn to be the exact ones.

Source: Distill-VQ (Xiao et al. 2022, SIGIR, "Distill-VQ: Learning Retrieval Oriented Vector
Quantization By Distilling Knowledge from Dense Embeddings"): scores of dense embeddings, which need
no judgement, are the labels of a list-wise loss. Where we differ:
- the documents of a list are the best of the quantized search itself, found anew at every step as
  in JPQ (Zhan et al. 2021), and not sampled from the teacher's best and the batch;
- index assignments stay as OPQ left them, as in JPQ, and there are no inverted lists;
- queries come as vectors and stay as they are: in place of a query encoder, a linear map W of them
  may be learned, from the identity on. It is folded into the index.

Inner products are divided by the documents' mean squared norm and multiplied by `scale`; the
centroids' learning rate is multiplied by the root of it. So settings mean the same for vectors of
any length.
"""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.data.store import own_rows, read_queries
from jointir.encode.matrix import read_embeddings, read_query_matrix
from jointir.joint.criterion import embedded_rows
from jointir.joint.distillation import distillation
from jointir.joint.index import TrainablePQ
from jointir.methods.arguments import DevOptions
from jointir.methods.distill import Settings
from jointir.quantize.pq import (
    read_index,
    read_pq,
    replace_centroids,
    replace_rotation,
    searchable,
    write_index,
)
from jointir.train.dev import read_dev
from jointir.train.loop import UNDECAYED
from jointir.train.order import shuffled
from jointir.train.processes import place, say_once
from jointir.train.training import Training
from jointir.train.validation import Validation

BY_RECALL = DevOptions(dev_measures=["R@10"])  # there is no label that one document is the answer
SAMPLE, SEED = 10_000, 0  # documents whose norm is taken; another draw changes nothing but `scale`


class Distilled(torch.nn.Module):
    """What is trained: the centroids {c_ij} of JPQ's eq. 7, and W, float[D, D], of the queries."""

    def __init__(self, index: TrainablePQ, learn_map: bool):
        super().__init__()
        self.index = index
        D = len(index.rotation)
        self.map = torch.nn.Parameter(torch.eye(D), requires_grad=learn_map)

    def loss(
        self, queries: torch.Tensor, docs: np.ndarray, own: torch.Tensor, n: int, scale: float
    ) -> torch.Tensor:
        """Return the mean of KL(softmax(scale <q, d>) || softmax(scale <W q, d-dagger>)).

        queries: float[B, D]. docs: float[N, D], the documents' own vectors. own: int64[B], a row
        that a query's list leaves out, -1 for none. n: documents of a list. scale: on inner
        products as they are.
        """
        mapped = queries @ self.map.T
        left_out = own[:, None]
        rows = self.index.top_negatives(mapped.detach(), left_out, left_out >= 0, n)  # [B, n]
        exact = torch.einsum("bd,bnd->bn", queries, embedded_rows(docs, rows))
        quantized = self.index.scores(mapped, rows)
        none = rows < 0
        student, teacher = (
            (scale * scores).masked_fill(none, -torch.inf) for scores in (quantized, exact)
        )
        return distillation(student, teacher)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Return int64[Q, k], the best documents for queries float32[Q, D], best first."""
        with torch.no_grad():
            given = torch.from_numpy(queries).to(self.map.device)
            return self.index.best(given @ self.map.T, k).cpu().numpy()


def squared_norm(docs: np.ndarray) -> float:
    """Return the mean of |d|^2 over a sample of documents float[N, D]; 1 where all are zeros."""
    rows = np.random.default_rng(SEED).choice(len(docs), min(len(docs), SAMPLE), replace=False)
    return float(np.square(docs[np.sort(rows)], dtype=np.float64).sum(1).mean()) or 1.0


def queries_of(collection: Path, path: Path, splits: list[str], D: int) -> dict[str, np.ndarray]:
    """Return the vector, float32[D], of each query of the splits by its id.

    path: the matrix of these splits' queries, in the collection's order.

    Raises:
        InputError: it is of other queries, or not of D dimensions.
    """
    matrix = read_query_matrix(path)
    queries = read_queries(collection)
    ids = queries.loc[queries["split"].isin(splits), "query_id"]
    if matrix.shape != (len(ids), D):
        found = f"has the shape {matrix.shape}, the collection {len(ids)} queries of these splits"
        raise InputError(path, f"{found}, the index {D} dimensions", "Make it again")
    return dict(zip(ids, matrix, strict=True))


def validated(
    collection: Path, queries: dict[str, np.ndarray], options: DevOptions, model: Distilled
) -> Validation | None:
    """Return how the training is measured on dev, None where it is not.

    queries: vectors by query_id, those of dev among them.
    """
    if not options.validate_every:
        return None
    dev = read_dev(collection, options)
    vectors = np.stack([queries[i] for i in dev.query_ids])
    return dev.validation(options, lambda k: model.search(vectors, k))


def distill(
    collection: Path,
    docs: Path,
    train_queries: Path,
    queries: Path,
    index: Path,
    out_index: Path,
    scratch: Path,
    settings: Settings,
    dev: DevOptions = BY_RECALL,
) -> None:
    """Train an OPQ `index` over the vectors `docs`, without labels; write a faiss index.

    Search it with raw query vectors. Its codes are those of `index`. With `map_lr` 0 its rotation
    R is, too; otherwise W is learned and the transform of `out_index` is R W, which is for queries
    alone: documents must not be added to that index.

    Args:
        collection: of N documents and the queries.
        docs: float[N, D], what `index` was built over.
        train_queries: float[T, D], the vectors of the train queries. No judgement of theirs is
            learned from; those of dev and train only tell dev's groups apart.
        queries: the vectors of the dev and test queries.
        index: of the `build` stage, of 8 or 4 bits.
        out_index: the faiss index.
        scratch: holds the checkpoint that a killed training resumes from.
        settings: of the training.
        dev: by which the best weights are kept, the start's among them (see Validation).

    Raises:
        InputError: `index` is no PQ of 4 or 8 bits, has no rotation to fold W into, or the
            matrices are of other documents or queries, or of another dimension.
    """
    training = Training("distill", locals())
    pq = read_pq(index)
    D = len(pq.rotation)
    matrix = read_embeddings(docs, collection, D)
    unit = squared_norm(matrix)
    trained_on = queries_of(collection, train_queries, ["train"], D)
    model = Distilled(TrainablePQ(pq), settings.map_lr > 0).to(place().device)
    measured = queries_of(collection, queries, ["dev", "test"], D)
    chooser = validated(collection, measured, dev, model)
    own = own_rows(collection, list(trained_on))
    loss_of = losses(model, trained_on, own, matrix, settings, unit)
    groups = [{"params": [model.index.centroids], "lr": settings.lr * unit**0.5}]
    groups += [{"params": [model.map], "lr": settings.map_lr}] if settings.map_lr else []
    groups = [group | UNDECAYED for group in groups]
    training.run(model, groups, loss_of, [], lambda: _write(model, index, out_index), chooser)


def losses(
    model: Distilled,
    queries: dict[str, np.ndarray],
    own: np.ndarray,
    docs: np.ndarray,
    settings: Settings,
    unit: float,
) -> Callable[[int], torch.Tensor]:
    """Return the loss as a function of the step.

    queries, own: the train queries' vectors, and their rows as `own_rows` has them. unit: the mean
    squared norm of `docs`, float[N, D].
    """
    n = min(settings.documents, len(docs))
    if n < settings.documents:
        say_once(f"a query's list has all {n} documents, {settings.documents} were asked for")
    vectors, rows = torch.from_numpy(np.stack(list(queries.values()))), torch.from_numpy(own)
    device, scale = model.map.device, settings.scale / unit
    batch, seed = settings.batch, settings.seed

    def loss_of(step: int) -> torch.Tensor:
        chosen = torch.from_numpy(shuffled(len(vectors), batch, step, seed).copy())
        return model.loss(vectors[chosen].to(device), docs, rows[chosen].to(device), n, scale)

    return loss_of


def _write(model: Distilled, start: Path, out: Path) -> None:
    """Write the index `start` with the trained centroids, and W in its transform."""
    trained = read_index(start)
    replace_centroids(trained, model.index.centroids.detach().cpu().numpy())
    if model.map.requires_grad:
        R = model.index.rotation
        replace_rotation(trained, (R @ model.map.detach()).cpu().numpy())
    write_index(searchable(faiss.downcast_index(trained)), out)
