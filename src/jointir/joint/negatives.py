"""How far JPQ's negatives are from those of brute force (Zhan et al., JPQ, CIKM 2021, figure 3)."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.progress import progress
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.joint.index import TrainablePQ
from jointir.joint.uncompressed import Uncompressed
from jointir.methods.shared import LABELLED
from jointir.quantize.pq import PQ, read_pq
from jointir.train.candidates import Candidates
from jointir.train.pairs import training_pairs
from jointir.train.queries import pad

BATCH = 256  # queries scored at a time
KINDS = ("query", "relevant", "both", "jpq", "brute-force")


def negatives_of(
    index: TrainablePQ,
    queries: np.ndarray,
    never: list[np.ndarray],
    among: Candidates,
    n: int,
    label: str,
) -> np.ndarray:
    """Return int64[Q, n]: each query's best candidates but for `never`, best first, -1 for none."""
    index.mine_from(among)
    n = min(n, max(map(among.left, never)))
    found = np.full((len(queries), n), -1)
    for at in progress(range(0, len(queries), BATCH), label, unit="batches"):
        left_out = pad(never[at : at + BATCH])
        batch = torch.from_numpy(queries[at : at + BATCH])
        device = index.centroids.device
        tensors = (t.to(device) for t in (batch, *left_out))
        rows = index.top_negatives(*tensors, n).cpu().numpy()
        found[at : at + BATCH, : rows.shape[1]] = rows
    return found


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return float64[Q]: the share of each row of int64[Q, n] `a` that is in the same row of `b`.

    The rows of `a` have no repeats, but for -1, which is none.
    """
    high = 2 + max(a.max(), b.max())
    offset = high * np.arange(len(a))[:, None]
    return (np.isin(a + offset, b + offset) & (a >= 0)).sum(axis=1) / (a >= 0).sum(axis=1)


def typical(shares: np.ndarray) -> int:
    """Return the query whose overlap is nearest to the mean of all, the first of several."""
    return int(np.abs(shares - shares.mean()).argmin())


def picture(
    query: np.ndarray,
    pq: PQ,
    relevant: np.ndarray,
    exact: np.ndarray,
    found: np.ndarray,
    seed: int,
) -> pd.DataFrame:
    """Return x, y, kind: a t-SNE of one query, its relevant documents and both sets of negatives.

    Documents are the quantized ones, as the search ranks them. kind: one of KINDS, "both" for the
    negatives that are in both sets.
    """
    from sklearn.manifold import TSNE

    both = np.union1d(exact, found)
    rows = np.concatenate([relevant, both[both >= 0]])
    kinds = ["query"] + ["relevant"] * len(relevant)
    for row in rows[len(relevant) :]:
        here = ("jpq", row in found), ("brute-force", row in exact)
        names = [name for name, there in here if there]
        kinds.append(names[0] if len(names) == 1 else "both")
    vectors = np.concatenate([(pq.rotation @ query)[None], pq.decode(rows)])
    perplexity = min(30, (len(vectors) - 1) / 3)
    tsne = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    x, y = tsne.fit_transform(vectors).T
    return pd.DataFrame({"x": x, "y": y, "kind": kinds})


def negatives(
    collection: Path,
    encoder: Path,
    docs: Path,
    index: list[Path],
    out: Path,
    drawn: Path,
    n: int = 200,
    M: int = 16,
    seed: int = 1,
    mined_from: str = LABELLED,
    batch_tokens: int = 1024,
) -> None:
    """Compare the negatives that JPQ begins with to brute force's, over all training queries.

    Args:
        collection: its training queries are embedded by `encoder`, which embedded `docs`.
        encoder: STAR's.
        docs: the uncompressed embeddings.
        index: the OPQ indexes that JPQ starts from, one for each M.
        out: a CSV file: M, negatives, queries, overlap, low, high: the share of brute force's
            negatives that are JPQ's too, the mean over queries and its 5th and 95th percentile.
        drawn: a parquet file: x, y, kind of the query whose overlap is nearest to the mean.
        n: negatives of a query, eq. 20.
        M: of the index that is drawn.
        seed: of the drawing.
        mined_from: as for `training_pairs`, and as JPQ has it.
        batch_tokens: padded tokens of a batch that is embedded.

    Raises:
        InputError: no index has M sub-quantizers, an index or `docs` is not of this collection, or
            `docs` have not the encoder's dimension.
    """
    pqs = {len(pq.centroids): pq for pq in map(read_pq, index)}
    if M not in pqs:
        raise InputError("M", f"{M} is not among {sorted(pqs)}", "Choose one of the indexes' M")
    device = best_device()
    model = DualEncoder.load(encoder).to(device).eval()
    matrix = np.asarray(read_embeddings(docs, collection, model.dim), np.float32)
    for path, pq in zip(index, pqs.values(), strict=True):
        if len(pq.codes) != len(matrix) or len(pq.rotation) != matrix.shape[1]:
            raise InputError(path, f"is not of {docs}", "Build it from these embeddings")
    pairs = training_pairs(collection, mined_from)
    texts, relevant, never, among = pairs[:4]
    queries = embed_texts(model, texts, "query", batch_tokens, has_bf16(device))
    exact = negatives_of(Uncompressed(matrix).to(device), queries, never, among, n, "brute force")
    rows = []
    for size, pq in sorted(pqs.items()):
        found = negatives_of(TrainablePQ(pq).to(device), queries, never, among, n, f"M={size}")
        shares = overlap(exact, found)
        low, high = np.percentile(shares, [5, 95])
        rows.append((size, exact.shape[1], len(texts), shares.mean(), low, high))
        if size == M:
            q = typical(shares)
            shown = picture(queries[q], pq, relevant[q], exact[q], found[q], seed)
    columns = ["M", "negatives", "queries", "overlap", "low", "high"]
    with atomic(out) as scratch:
        pd.DataFrame(rows, columns=columns).to_csv(scratch, index=False, float_format="%.6f")
    with atomic(drawn) as scratch:
        shown.to_parquet(scratch, index=False)
