"""The `expand` stage: writes queries for each document, and keeps those that lead back to it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.progress import progress, say
from jointir.data.generated import write_generated
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.expand.consistency import ranks
from jointir.expand.generator import Generator
from jointir.expand.sampling import Trained
from jointir.expand.seq2seq import Checkpoint
from jointir.methods.expand import Settings
from jointir.train.processes import dropout_seed

BATCH = 32  # documents that are written for at a time
Writer = Callable[[list[str], int, int], list[list[str]]]  # of texts, n and k


def expand(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    meta: Path,
    settings: Settings,
    generator: Path | None = None,
    checkpoint: str = "",
) -> None:
    """Write queries for each document that has text; keep those that find it, as parquet `out`.

    encoder, docs: by which it is found, and the collection's embeddings by it, float[N, D].
    generator: a folder of the `doc2query` stage. checkpoint: in its place a seq2seq model of
    transformers: a folder, a hub id, or package:MODULE/FOLDER. meta: a JSON of how many queries
    there were.

    Raises:
        InputError: none or both of the two are named, one of them cannot be loaded, or `docs` are
            of another collection or dimension.
    """
    if (generator is None) == (not checkpoint):
        found = "both are named" if checkpoint else "neither is named"
        raise InputError("--generator, --checkpoint", found, "Name one of them")
    dual = DualEncoder.load(encoder).to(best_device()).eval()
    matrix = read_embeddings(docs, collection, dual.dim).astype(np.float32)
    write = _writer(generator, checkpoint, dual.device)
    corpus = read_corpus(collection)
    texts = document_texts(corpus)
    rows, queries = written(write, texts, settings)
    say(f"expand: {len(queries)} distinct queries for {len(np.unique(rows))} documents")
    embedded = embed_texts(dual, queries, "query", BATCH_TOKENS, has_bf16(dual.device))
    rank = ranks(embedded, matrix, rows)
    kept = rank <= settings.depth
    found = {"doc_id": corpus["doc_id"].to_numpy()[rows], "text": queries, "rank": rank}
    write_generated(out, pd.DataFrame(found)[kept])
    facts = {"documents": len(texts), "distinct": len(queries), "kept": int(kept.sum())}
    facts["expanded"] = len(np.unique(rows[kept]))
    write_json(meta, {"generator": checkpoint or "doc2query-MiniLM"} | facts)
    say(f"expand: {kept.mean():.1%} kept, for {facts['expanded']} of {len(texts)} documents")


def _writer(generator: Path | None, checkpoint: str, device: torch.device) -> Writer:
    if generator is None:
        return Checkpoint(checkpoint, device)
    return Trained(Generator.load(generator).to(device))


def written(write: Writer, texts: list[str], settings: Settings) -> tuple[np.ndarray, list[str]]:
    """Return the distinct queries of each document, and int64[q], the rows of these.

    In the order of rows and of drawing. Documents of like length are written for together; what is
    drawn depends on the seed and on this order alone.
    """
    told = [row for row, text in enumerate(texts) if text.strip()]
    order = sorted(told, key=lambda row: (len(texts[row]), row))
    plan = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    found: dict[int, list[str]] = {}
    for step, rows in enumerate(progress(plan, "expand", unit="batches")):
        torch.manual_seed(dropout_seed(settings.seed, step))
        own = write([texts[row] for row in rows], settings.queries, settings.top_k)
        for row, queries in zip(rows, own, strict=True):
            found[row] = [q for q in dict.fromkeys(map(str.strip, queries)) if q]
    pairs = [(row, query) for row in sorted(found) for query in found[row]]
    return np.array([row for row, _ in pairs], np.int64), [query for _, query in pairs]
