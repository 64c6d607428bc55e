"""STAR: train the dual encoder on in-batch random and static hard negatives.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 4.1:
L = L_hard + w L_random, a pair-wise RankNet loss over negatives that the starting encoder ranks
high and over the other documents of the batch.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import torch
from torch.nn.functional import softplus

from jointir.data.store import (
    document_texts,
    read_about,
    read_corpus,
    read_doc_ids,
    read_qrels,
    read_queries,
)
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.norm import mean_squared_norm
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.processes import embed_together, from_main, is_main, place, say_once
from jointir.encode.training import Checkpoint, batch_of, fingerprint, shuffled, train
from jointir.errors import InputError
from jointir.progress import heartbeat

CHUNK = 65_536  # documents made float32 at a time: memory does not grow with N
RANKED = 2**26  # pairs of a query and a document that are ranked at a time


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


def blocks(Q: int, width: int) -> Iterator[slice]:
    """Yield slices of Q queries; of `width` documents a query, a slice has at most RANKED."""
    size = max(1, RANKED // width)
    for at in range(0, Q, size):
        yield slice(at, at + size)


def mine(queries: np.ndarray, docs: np.ndarray, never: list[np.ndarray], depth: int) -> np.ndarray:
    """Return int64[Q, depth]: the rows of the highest inner products, -1 where there are no more.

    queries: float32[Q, D]; docs: [N, D]; never: the rows that are no negatives of each query.
    """
    width = min(depth + max(len(n) for n in never), len(docs))
    found = np.full((len(queries), min(depth, len(docs))), -1)
    for block in blocks(len(queries), width):
        best = faiss.ResultHeap(len(queries[block]), width, keep_max=True)
        for at in range(0, len(docs), CHUNK):
            index = faiss.IndexFlatIP(docs.shape[1])
            index.add(docs[at : at + CHUNK].astype(np.float32))
            scores, rows = index.search(queries[block], min(width, index.ntotal))
            best.add_result(scores, rows + at)
        best.finalize()
        for own, ranked, left_out in zip(found[block], best.I, never[block], strict=True):
            kept = ranked[~np.isin(ranked, left_out)][:depth]
            own[: len(kept)] = kept
    return found


class TrainingPairs(NamedTuple):
    """Training queries and rows of the corpus: the one place that says what is a negative of what.

    texts: of Q queries. positives: of each, the rows that are relevant and have text, at least one.
    never: of each, the rows that no training takes as its negatives: all that are relevant and,
    where the collection drops identical ids, its own document.
    """

    texts: list[str]
    positives: list[np.ndarray]
    never: list[np.ndarray]


def training_pairs(collection: Path) -> TrainingPairs:
    """Return the training queries that have a positive and a possible negative.

    Raises:
        InputError: there is none.
    """
    qrels = read_qrels(collection / "qrels" / "train.trec")
    relevant = qrels[qrels["relevance"] > 0].groupby("query_id")["doc_id"].agg(list).to_dict()
    about, doc_ids = read_about(collection), read_doc_ids(collection)
    judged = {d for docs in relevant.values() for d in docs}  # of a large corpus a small part
    wanted = judged | set(relevant) if about.drop_identical_ids else judged
    row = {d: i for i, d in enumerate(doc_ids) if d in wanted}
    pairs, skipped = TrainingPairs([], [], []), []
    queries = read_queries(collection, "train")
    for query_id, text in zip(queries["query_id"], queries["text"], strict=True):
        own = {query_id} if about.drop_identical_ids else set()
        docs = [d for d in relevant.get(query_id, ()) if d in row]
        positives = [row[d] for d in docs if d not in about.empty and d not in own]
        never = [row[d] for d in docs] + [row[d] for d in own.difference(docs) if d in row]
        if positives and len(never) < len(doc_ids):
            for kept, value in zip(
                pairs, (text, np.array(positives), np.array(never)), strict=True
            ):
                kept.append(value)
        elif query_id in relevant:
            skipped.append(query_id)
    return _told(pairs, skipped, collection)


def _told(pairs: TrainingPairs, skipped: list[str], collection: Path) -> TrainingPairs:
    """Return the pairs; say how many queries are not among them, or that none is left."""
    why = "no document in the corpus to learn from, or none to learn against"
    if not pairs.texts:
        remedy = "Add documents that are not relevant, or judgements of documents with text"
        raise InputError(collection, f"every training query has {why}", remedy)
    if skipped:
        say_once(f"{len(skipped)} training queries are skipped, {skipped[0]!r} first: {why}")
    return pairs


def negatives_of(pairs: TrainingPairs, N: int, asked: int) -> int:
    """Return how many negatives a query has: `asked`, or all of N documents; say so then."""
    most = N - min(map(len, pairs.never))
    if asked > most:
        say_once(f"a query has at most {most} negatives, {asked} were asked for")
    return min(asked, most)


def used_pairs(collection: Path, batch: int, steps: int, seed: int) -> TrainingPairs:
    """Return the training queries that `steps` batches draw, as `training_pairs` does."""
    pairs = training_pairs(collection)
    n = len(pairs.texts)
    used = np.unique(np.concatenate([shuffled(n, batch, s, seed) for s in range(steps)]))
    return TrainingPairs(*([values[i] for i in used] for values in pairs))


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
    checkpoint_minutes: float = 5,
) -> None:
    """Train `encoder` and write the STAR encoder to the folder `out`.

    docs: the collection's embeddings by `encoder`, from which the hard negatives are mined once;
    one of the top `depth` is drawn each time a query comes up. scale: multiplies inner products
    inside the loss, which are divided by the encoder's mean squared norm (logistic losses over
    cosines would hardly train; rankings do not see it). Training stops after `steps`, a budget
    chosen on dev (reports/LOG.md).

    Raises:
        InputError: `docs` are of another collection, or not of the encoder's dimension.
    """
    same = fingerprint(locals())
    model = DualEncoder.load(encoder).to(place().device)
    pairs = used_pairs(collection, batch, steps, seed)
    matrix = read_embeddings(docs, collection, model.dim)

    def find() -> np.ndarray:
        embedded = embed_texts(model.eval(), pairs.texts, "query", 4096, has_bf16(model.device))
        found = negatives_of(pairs, len(matrix), depth)
        with heartbeat(f"mine {found} hard negatives for {len(pairs.texts)} queries"):
            return mine(embedded, matrix, pairs.never, depth)

    mined, bodies = from_main(find), document_texts(read_corpus(collection))
    batches = Batches(model, pairs, lambda _: mined, bodies, batch, seed)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    factor = scale / mean_squared_norm(model, collection)
    fit(batches, keeper, "star", steps, lr, warmup, factor, random_weight)
    if is_main():
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
        texts, positives, never = self.pairs
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
) -> None:
    """Train the model of `batches` on them with `star_loss`; settings as in `star`.

    factor: on inner products as they are.
    """
    model, bf16 = batches.model, has_bf16(batches.model.device)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = batches(step)
        with autocast(model.device, bf16):
            scores = embed_together(model, q) @ embed_together(model, d).T  # [B, 2B]
        return star_loss(factor * scores.float(), relevant.to(model.device), random_weight)

    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=lr, fused=True)
    train(model, optimizer, loss_of, steps, warmup, batches.seed, weights, keeper, name)
