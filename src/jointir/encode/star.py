"""STAR: train the dual encoder on in-batch random and static hard negatives.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 4.1:
L = L_hard + w L_random, a pair-wise RankNet loss over negatives that the starting encoder ranks
high and over the other documents of the batch.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import softplus

from jointir.data.store import document_texts, read_corpus
from jointir.encode.dev import Settings, dual_validation
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.norm import mean_squared_norm
from jointir.encode.pairs import LABELLED, TrainingPairs, mine, negatives_of, used_pairs
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.processes import embed_together, from_main, is_main, place
from jointir.encode.training import Checkpoint, batch_of, decayed, fingerprint, shuffled, train
from jointir.encode.validation import Validation, write_curve
from jointir.progress import heartbeat


def star_loss(scores: torch.Tensor, relevant: torch.Tensor, random_weight: float) -> torch.Tensor:
    """Return L_hard + w L_random for a batch of B queries.

    scores: float[B, 2B], column b the positive of query b, column B + b its hard negative.
    relevant: bool[B, 2B], the pairs that are never negatives: the positives are among them.
    """
    B = len(scores)
    own = torch.arange(B, device=scores.device)
    pairs = softplus(scores - scores[own, own, None])  # [B, 2B]
    hard = pairs[own, B + own]
    random = ~relevant
    random[own, B + own] = False
    return hard.mean() + random_weight * (pairs * random).sum() / random.sum().clamp(min=1)


def star(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    scratch: Path,
    steps: int,
    batch: int,
    lr: float,
    warmup: int,
    scale: float,
    random_weight: float,
    depth: int,
    seed: int,
    mined_from: str = LABELLED,
    checkpoint_minutes: float = 5,
    out_curve: Path | None = None,
    dev_measure: str = "RR@10",
    validate_every: int = 0,
    patience: int = 0,
    dev_queries: int = 1000,
    dev_documents: int = 2000,
) -> None:
    """Train `encoder` and write the STAR encoder to the folder `out`.

    docs: the collection's embeddings by `encoder`, from which the hard negatives are mined once;
    one of the top `depth` is drawn each time a query comes up. mined_from: as for
    `training_pairs`. scale: multiplies inner products inside the loss, which are divided by the
    encoder's mean squared norm (logistic losses over cosines would hardly train; rankings do not
    see it). Training stops after `steps`, a budget chosen on dev (reports/LOG.md).

    Every `validate_every` steps `dev_measure` is taken over a sample of dev (see
    `dual_validation`), and the best weights are kept, those of the start among them; 0: the last
    ones are. `out_curve` gets what was measured, as CSV.

    Raises:
        InputError: `docs` are of another collection, or not of the encoder's dimension.
    """
    same = fingerprint(locals())
    model = DualEncoder.load(encoder).to(place().device)
    pairs = used_pairs(collection, batch, steps, seed, mined_from)
    matrix = read_embeddings(docs, collection, model.dim)

    def find() -> np.ndarray:
        embedded = embed_texts(model.eval(), pairs.texts, "query", 4096, has_bf16(model.device))
        found = negatives_of(pairs, depth)
        with heartbeat(f"mine {found} hard negatives for {len(pairs.texts)} queries"):
            return mine(embedded, matrix, pairs, depth)

    mined, bodies = from_main(find), document_texts(read_corpus(collection))
    batches = Batches(model, pairs, lambda _: mined, bodies, batch, seed)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    factor = scale / mean_squared_norm(model, collection)
    settings = Settings(dev_measure, validate_every, patience, dev_queries, dev_documents)
    chooser = dual_validation(collection, settings, model)
    fit(batches, keeper, "star", steps, lr, warmup, factor, random_weight, chooser)
    if is_main():
        write_curve(chooser, out_curve)
        model.save(out)
        keeper.remove()


class Batches:
    """Draws batch `step`: tokens of B queries and of 2B documents, and what is no negative."""

    def __init__(
        self,
        model: DualEncoder,
        pairs: TrainingPairs,
        negatives: Callable[[int], np.ndarray],
        docs: list[str],
        batch: int,
        seed: int,
    ):
        """pairs: Q queries and rows of `docs`.

        negatives: returns int64[Q, depth], the rows from which those of a step are drawn; -1 is
        none, and no query has these alone.
        """
        self.model, self.batch, self.seed = model, batch_of(len(pairs.texts), batch), seed
        self.pairs, self.negatives, self.docs = pairs, negatives, docs

    def __call__(self, step: int) -> tuple[list[list[int]], list[list[int]], torch.Tensor]:
        texts, positives, never = self.pairs[:3]
        rows = shuffled(len(texts), self.batch, step, self.seed)
        rng = np.random.default_rng([self.seed, 1, step])
        positive = [rng.choice(positives[i]) for i in rows]
        negatives = self.negatives(step)
        hard = [rng.choice(negatives[i][negatives[i] >= 0]) for i in rows]
        docs = np.array(positive + hard)
        no_negative = np.stack([np.isin(docs, never[i]) for i in rows])
        queries = self.model.tokenize([texts[i] for i in rows], "query")
        documents = self.model.tokenize([self.docs[i] for i in docs], "document")
        return queries, documents, torch.from_numpy(no_negative)


def fit(
    batches: Batches,
    keeper: Checkpoint,
    name: str,
    steps: int,
    lr: float,
    warmup: int,
    factor: float,
    random_weight: float,
    chooser: Validation | None = None,
) -> None:
    """Train the model of `batches` on them with `star_loss`; settings as in `star`.

    factor: on inner products as they are. chooser: of the weights that are kept.
    """
    model, bf16 = batches.model, has_bf16(batches.model.device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = batches(step)
        with autocast(model.device, bf16):
            scores = embed_together(model, q) @ embed_together(model, d).T  # [B, 2B]
        return star_loss(factor * scores.float(), relevant.to(model.device), random_weight)

    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(decayed(weights), lr=lr, fused=True)
    train(model, optimizer, loss_of, steps, warmup, batches.seed, weights, keeper, name, chooser)
