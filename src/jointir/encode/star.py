"""STAR: train the dual encoder on in-batch random and static hard negatives.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 4.1:
L = L_hard + w L_random, a pair-wise RankNet loss over negatives that the starting encoder ranks
high and over the other documents of the batch.
"""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch
from torch.nn.functional import softplus

from jointir.data.store import document_texts, read_corpus, read_doc_ids, read_qrels, read_queries
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.norm import mean_squared_norm
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.processes import embed_together, from_main, is_main, place
from jointir.encode.training import Checkpoint, fingerprint, shuffled, train
from jointir.progress import heartbeat

CHUNK = 65_536  # documents made float32 at a time: memory does not grow with N


def star_loss(scores: torch.Tensor, relevant: torch.Tensor, random_weight: float) -> torch.Tensor:
    """Return L_hard + w L_random for a batch of B queries.

    scores: float[B, 2B], column b the positive of query b, column B + b its hard negative.
    relevant: bool[B, 2B], the pairs that are judged relevant: these are never negatives.
    """
    B = len(scores)
    own = torch.arange(B, device=scores.device)
    pairs = softplus(scores - scores[own, own, None])  # [B, 2B]
    hard = pairs[own, B + own]
    random = ~relevant
    random[own, B + own] = False
    return hard.mean() + random_weight * (pairs * random).sum() / random.sum().clamp(min=1)


def mine(
    queries: np.ndarray, docs: np.ndarray, positives: list[np.ndarray], depth: int
) -> np.ndarray:
    """Return int64[Q, depth]: the rows of the highest inner products that are not relevant.

    queries: float32[Q, D]; docs: [N, D]; positives: the relevant rows of each query.
    """
    most = max(len(p) for p in positives)
    depth = min(depth, len(docs) - most)
    best = faiss.ResultHeap(len(queries), depth + most, keep_max=True)
    for at in range(0, len(docs), CHUNK):
        index = faiss.IndexFlatIP(docs.shape[1])
        index.add(docs[at : at + CHUNK].astype(np.float32))
        scores, rows = index.search(queries, min(depth + most, index.ntotal))
        best.add_result(scores, rows + at)
    best.finalize()
    found = best.I
    kept = [
        row[~np.isin(row, relevant)][:depth] for row, relevant in zip(found, positives, strict=True)
    ]
    return np.stack(kept)


def training_pairs(collection: Path) -> tuple[list[str], list[np.ndarray]]:
    """Return the training queries that have a relevant document, and those documents' rows."""
    qrels = read_qrels(collection / "qrels" / "train.trec")
    qrels = qrels[qrels["relevance"] > 0]
    judged = set(qrels["doc_id"])  # of a large corpus a small part
    row = {d: i for i, d in enumerate(read_doc_ids(collection)) if d in judged}
    relevant = qrels.groupby("query_id")["doc_id"].agg(list).to_dict()
    queries = read_queries(collection, "train")
    queries = queries[queries["query_id"].isin(relevant)]
    rows = [np.array([row[d] for d in relevant[q]]) for q in queries["query_id"]]
    return queries["text"].tolist(), rows


def used_pairs(
    collection: Path, batch: int, steps: int, seed: int
) -> tuple[list[str], list[np.ndarray]]:
    """Return the training queries that `steps` batches draw, and the rows relevant to each."""
    texts, positives = training_pairs(collection)
    used = np.unique(np.concatenate([shuffled(len(texts), batch, s, seed) for s in range(steps)]))
    return [texts[i] for i in used], [positives[i] for i in used]


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
    texts, positives = used_pairs(collection, batch, steps, seed)
    matrix = read_embeddings(docs, collection, model.dim)

    def find() -> np.ndarray:
        embedded = embed_texts(model.eval(), texts, "query", 4096, has_bf16(model.device))
        with heartbeat(f"mine {depth} hard negatives for {len(texts)} queries"):
            return mine(embedded, matrix, positives, depth)

    mined, bodies = from_main(find), document_texts(read_corpus(collection))
    batches = Batches(model, texts, positives, lambda _: mined, bodies, batch, seed)
    keeper = Checkpoint(scratch, checkpoint_minutes, same)
    factor = scale / mean_squared_norm(model, collection)
    fit(batches, keeper, "star", steps, lr, warmup, factor, random_weight)
    if is_main():
        model.save(out)
        keeper.remove()


class Batches:
    """Draws batch `step`: tokens of B queries and of their 2B documents, and which are relevant."""

    def __init__(
        self,
        model: DualEncoder,
        texts: list[str],
        positives: list[np.ndarray],
        negatives: Callable[[int], np.ndarray],
        docs: list[str],
        batch: int,
        seed: int,
    ):
        """texts: of Q queries, whose relevant documents are the rows `positives` of `docs`.

        negatives: returns int64[Q, depth], the rows from which those of a step are drawn.
        """
        self.model, self.batch, self.seed = model, min(batch, len(texts)), seed
        self.texts, self.positives, self.negatives = texts, positives, negatives
        self.docs = docs

    def __call__(self, step: int) -> tuple[list[list[int]], list[list[int]], torch.Tensor]:
        rows = shuffled(len(self.texts), self.batch, step, self.seed)
        rng = np.random.default_rng([self.seed, 1, step])
        positive = [rng.choice(self.positives[i]) for i in rows]
        negatives = self.negatives(step)
        hard = [rng.choice(negatives[i]) for i in rows]
        docs = np.array(positive + hard)
        relevant = np.stack([np.isin(docs, self.positives[i]) for i in rows])
        queries = self.model.tokenize([self.texts[i] for i in rows], "query")
        documents = self.model.tokenize([self.docs[i] for i in docs], "document")
        return queries, documents, torch.from_numpy(relevant)


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
