"""Embed a corpus or its queries into a matrix on disk, in shards that machines can share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, new_matrix, sha256, write_json
from jointir.basics.progress import progress
from jointir.data.store import count_documents, document_texts, read_documents, read_queries
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import CHECKED, autocast, choose_bf16

KINDS = ("document", "query")
BATCH_TOKENS = 4096  # padded, of a batch that a training embeds
CHUNK = 16_384  # texts sorted by length at a time: bounds memory whatever N


def batches(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield row numbers, longest first, so that each batch padded holds at most `batch_tokens`."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    begin = 0
    while begin < len(order):
        size = max(1, batch_tokens // max(1, lengths[order[begin]]))
        yield order[begin : begin + size]
        begin += size


@torch.inference_mode()
def embed_texts(
    encoder: DualEncoder, texts: list[str], kind: str, batch_tokens: int, bf16: bool
) -> np.ndarray:
    """Return float32[len(texts), D], in the order of `texts`."""
    tokens = encoder.tokenize(texts, kind)
    out = np.empty((len(texts), encoder.dim), np.float32)
    plan = list(batches([len(t) for t in tokens], batch_tokens))
    for rows in progress(plan, f"embed {kind}", unit="batches"):
        with autocast(encoder.device, bf16):
            embedded = encoder([tokens[i] for i in rows])
        out[rows] = embedded.float().cpu().numpy()
    return out


def check_finite(matrix: np.ndarray, ids: list[str], where: Path) -> None:
    """Raise InputError naming the first text whose embedding holds NaN or an infinity."""
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        remedy = "Check the encoder's weights and its dtype"
        raise InputError(where, f"the embedding of {ids[bad[0]]!r} is not finite", remedy)


def _texts(
    collection: Path, kind: str, splits: list[str], shard: int, shards: int
) -> tuple[list[str], list[str]]:
    """Return ids and texts of one shard: of a large corpus, no more comes into memory.

    Raises:
        InputError: there is no query of the splits.
    """

    def part(n: int) -> tuple[int, int]:
        return n * shard // shards, n * (shard + 1) // shards

    if kind == "document":
        corpus = read_documents(collection, *part(count_documents(collection)))
        return corpus["doc_id"].tolist(), document_texts(corpus)
    queries = read_queries(collection)
    queries = queries[queries["split"].isin(splits)]
    if queries.empty:
        remedy = "Name the splits whose queries to embed, with --split"
        raise InputError(collection, f"holds no {kind} of the splits {splits}", remedy)
    queries = queries[slice(*part(len(queries)))]
    return queries["query_id"].tolist(), queries["text"].tolist()


def embed(
    collection: Path,
    encoder: Path,
    out: Path,
    kind: str,
    split: list[str] | None = None,
    shard: int = 0,
    shards: int = 1,
    batch_tokens: int = 1024,
    dtype: str = "float16",
    precision: str = "auto",
) -> None:
    """Embed shard `shard` of `shards` of the documents or queries into `out`, an .npy of [n, D].

    Row order is that of the collection, queries of the given splits only. A small JSON beside the
    file records dimension, dtype, kind and the encoder's hash.

    Raises:
        InputError: an unknown kind, no query of the splits, or an embedding that is not finite,
            also after rounding to `dtype`.
    """
    if kind not in KINDS:
        raise InputError("kind", f"{kind!r} is unknown", f"Choose one of {KINDS}")
    ids, texts = _texts(collection, kind, split or [], shard, shards)
    model = DualEncoder.load(encoder).to(best_device()).eval()
    # of more shards than texts, some are empty
    some = model.tokenize(texts[:CHECKED], kind) if texts else []
    bf16 = choose_bf16(model, some, precision)
    with atomic(out) as scratch:
        matrix = new_matrix(scratch, dtype, (len(texts), model.dim))
        for at in range(0, len(texts), CHUNK):
            to = at + CHUNK
            matrix[at:to] = embed_texts(model, texts[at:to], kind, batch_tokens, bf16)
            check_finite(matrix[at:to], ids[at:to], out)
        matrix.flush()
    _describe(out, kind, model, encoder, dtype)


def _describe(out: Path, kind: str, model: DualEncoder, folder: Path, dtype: str) -> None:
    facts = {"dim": model.dim, "dtype": dtype, "kind": kind, "normalized": model.normalized}
    write_json(out.with_suffix(".json"), facts | {"encoder": sha256(folder)})
