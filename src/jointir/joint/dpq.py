"""DPQ: train query encoder, centroids and, through them, the index assignments.

The supervised baseline of the JPQ paper (section 4.2.6): a ranking loss on quantized documents plus
the reconstruction error, after Chen et al. 2020, "Differentiable Product Quantization for
End-to-End Embedding Compression", and Zhang et al. 2021, "Joint Learning of Deep Retrieval Model
and Product Quantization based Embedding Index". As there, and unlike in JPQ, documents go to their
nearest centroids at every step and once more at the end, and no negatives are retrieved: those of
a query are the other documents of its batch.

Decisions where the papers leave a choice:
- the softmax-based DPQ-SX, over L2 distances and with one set of centroids for keys and values, as
  faiss encodes and decodes. In DPQ-VQ the ranking loss's gradient passes the centroids by, straight
  to the documents: their embeddings are fixed here, so centroids would learn from reconstruction
  alone;
- the reconstruction error needs no straight-through estimate: its own gradient reaches centroids;
- the rotation is OPQ's and stays: it is exactly as orthogonal as faiss left it, and the comparison
  with JPQ is then one of loss and negatives, on the same parameters;
- inner products are multiplied by `scale`, gradients cut and rates scheduled as in jpq.py: inner
  products and squared distances are those of embeddings whose mean squared norm is 1.
"""

from collections.abc import Callable

import faiss
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from jointir.basics.errors import InputError
from jointir.basics.progress import progress
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import autocast, has_bf16
from jointir.methods.arguments import UNMEASURED, DevOptions, Files
from jointir.methods.dpq import Settings
from jointir.quantize.pq import PQ, read_index, read_pq, replace_centroids, write_index
from jointir.train.dev import validation
from jointir.train.loop import UNDECAYED, decayed
from jointir.train.norm import mean_squared_norm
from jointir.train.order import batch_of, shuffled
from jointir.train.pairs import TrainingPairs, training_pairs
from jointir.train.training import Training

CHUNK = 65_536  # documents made float32 at a time: memory does not grow with N


def quantize(
    docs: torch.Tensor, centroids: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return d-dagger of eq. 8, float[B, D], twice: equal values, different gradients.

    The first is made of the nearest centroids, and its gradient reaches those alone. The second's
    gradient is that of a mean of all K centroids, weighted by the softmax of -|d_i - c_ij|^2 /
    temperature (the straight-through estimator of DPQ-SX): assignments learn, too.

    docs: float[B, D], rotated. centroids: float[M, K, D/M]. temperature: a squared distance.
    """
    M, _, sub = centroids.shape
    parts = docs.view(len(docs), M, sub)
    # without |d_i|^2, which is the same for every centroid
    distances = centroids.square().sum(2) - 2 * torch.einsum("bms,mks->bmk", parts, centroids)
    slots = torch.arange(M, device=docs.device)
    nearest = centroids[slots, distances.argmin(2)].flatten(1)
    weights = torch.softmax(-distances / temperature, 2)
    soft = torch.einsum("bmk,mks->bms", weights, centroids).flatten(1)
    return nearest, nearest.detach() + (soft - soft.detach())  # the bracket is exactly 0


def dpq_loss(
    queries: torch.Tensor,
    docs: torch.Tensor,
    centroids: torch.Tensor,
    relevant: torch.Tensor,
    scale: float,
    temperature: float,
    reconstruction: float,
) -> torch.Tensor:
    """Return the cross entropy of ranking B quantized documents plus their weighted distortion.

    The b-th document is the b-th query's positive; the others are its negatives, but for those of
    `relevant`. The distortion is the mean of |d - d-dagger|^2 (eq. 9) over the B documents.

    queries, docs: float[B, D], rotated. centroids: float[M, K, D/M]. relevant: bool[B, B], row b
    the documents that are no negatives of query b. scale: multiplies inner products.
    """
    nearest, quantized = quantize(docs, centroids, temperature)
    own = torch.arange(len(docs), device=docs.device)
    others = relevant.clone()
    others[own, own] = False
    scores = (scale * queries @ quantized.T).masked_fill(others, -torch.inf)  # [B, B]
    distortion = (docs - nearest).square().sum(1).mean()
    return cross_entropy(scores, own) + reconstruction * distortion


class DPQ(torch.nn.Module):
    """What DPQ trains, f of eq. 1 for queries and {c_ij} of eq. 7, and the rotation before them."""

    def __init__(self, encoder: DualEncoder, pq: PQ):
        super().__init__()
        self.encoder = encoder
        self.centroids = torch.nn.Parameter(torch.from_numpy(pq.centroids.copy()))  # [M, K, D/M]
        self.register_buffer("rotation", torch.from_numpy(pq.rotation.copy()))  # [D, D]

    def loss(
        self,
        tokens: list[list[int]],
        docs: torch.Tensor,
        relevant: torch.Tensor,
        scale: float,
        temperature: float,
        reconstruction: float,
        bf16: bool,
    ) -> torch.Tensor:
        """Return `dpq_loss` for B queries' tokens and their documents float[B, D], not rotated."""
        with autocast(self.encoder.device, bf16):
            queries = self.encoder(tokens)
        rotated = (x.float() @ self.rotation.T for x in (queries, docs))
        weights = (scale, temperature, reconstruction)
        return dpq_loss(*rotated, self.centroids, relevant, *weights)


def sampler(
    pairs: TrainingPairs, batch: int, seed: int
) -> Callable[[int], tuple[list[str], np.ndarray, torch.Tensor]]:
    """Return a function of the step: B texts, int64[B] relevant rows, bool[B, B] as `dpq_loss`."""
    texts, positives, never = pairs[:3]
    batch = batch_of(len(texts), batch)

    def draw(step: int) -> tuple[list[str], np.ndarray, torch.Tensor]:
        chosen = shuffled(len(texts), batch, step, seed)
        rng = np.random.default_rng([seed, 1, step])
        docs = np.array([rng.choice(positives[i]) for i in chosen])
        relevant = np.stack([np.isin(docs, never[i]) for i in chosen])
        return [texts[i] for i in chosen], docs, torch.from_numpy(relevant)

    return draw


def assign(index: faiss.Index, docs: np.ndarray) -> None:
    """Replace the documents of a trained index by [N, D] `docs`: codes of the nearest centroids."""
    index.reset()
    for at in progress(range(0, len(docs), CHUNK), "dpq assign", unit="chunks"):
        index.add(np.asarray(docs[at : at + CHUNK], np.float32))


def dpq(files: Files, settings: Settings, dev: DevOptions = UNMEASURED) -> None:
    """Train query encoder, centroids and codes, from an encoder and an OPQ index of its embeddings.

    The rotation of the new index is that of the old one. dev: as in `jpq`.

    Raises:
        InputError: the index is no PQ, its dimension or that of `docs` is not the encoder's, or
            `docs` are missing or of another collection.
    """
    training = Training("dpq", locals())
    if files.docs is None:
        raise InputError("docs", "DPQ needs it", "Name docs.npy")
    collection, start = files.collection, DualEncoder.load(files.encoder)
    pq = read_pq(files.index, start.dim)
    matrix = read_embeddings(files.docs, collection, start.dim)
    device = best_device()
    model = DPQ(start, pq).to(device)
    unit = mean_squared_norm(model.encoder, collection)
    scale, temperature = settings.scale / unit, settings.temperature * unit
    weighted = (scale, temperature, settings.reconstruction / unit)
    draw = sampler(training_pairs(collection), settings.batch, settings.seed)
    bf16 = has_bf16(device)

    def loss_of(step: int) -> torch.Tensor:
        texts, rows, relevant = draw(step)
        tokens = model.encoder.tokenize(texts, "query")
        embedded = torch.from_numpy(matrix[rows].astype(np.float32)).to(device)
        return model.loss(tokens, embedded, relevant.to(device), *weighted, bf16)

    trained = read_index(files.index)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        replace_centroids(trained, model.centroids.detach().cpu().numpy())
        assign(trained, matrix)
        return trained.search(queries, k)[1]

    chooser = validation(collection, dev, model.encoder, search)
    weights = list(model.encoder.parameters())
    groups = [*decayed(weights), {"params": [model.centroids], "lr": settings.pq_lr} | UNDECAYED]

    def save() -> None:
        replace_centroids(trained, model.centroids.detach().cpu().numpy())
        assign(trained, matrix)
        write_index(faiss.downcast_index(trained), files.out_index)
        model.encoder.save(files.out_encoder, "query")

    training.run(model, groups, loss_of, weights, save, chooser)
