"""The `generate` stage: the identifiers that the decoder writes for each query, best first."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.data.store import read_queries
from jointir.encode.encoder import best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.files import atomic, write_json
from jointir.generative.assign import columns, read_ids
from jointir.generative.beam import beam_search
from jointir.generative.model import GenerativeRetriever
from jointir.generative.tree import PrefixTree
from jointir.progress import progress

BATCH = 64


@torch.inference_mode()
def generate(
    collection: Path,
    model: Path,
    ids: Path,
    out: list[Path],
    meta: Path,
    dataset: str,
    system: str,
    seed: int,
    beam: int = 10,
    constrained: bool = False,
) -> None:
    """Write query_id, rank (from 1), score and id_1 ... id_L for each split named in `out`.

    out: files named {split}.parquet. constrained: only identifiers of `ids`, through a prefix tree;
    the paper decodes without. meta: a JSON that says what this was, with parameters and decode
    milliseconds a query, encoder included, queries in batches of 64.
    """
    retriever = GenerativeRetriever.load(model).to(best_device())
    tree = PrefixTree(read_ids(ids)[1], retriever.indexer.V) if constrained else None
    seconds, answered = 0.0, 0
    for path in out:
        queries = read_queries(collection, path.stem)
        begun = time.perf_counter()
        found, scores = _decode(retriever, queries["text"].tolist(), beam, tree, path.stem)
        seconds, answered = seconds + time.perf_counter() - begun, answered + len(queries)
        Q, k, L = found.shape
        frame = pd.DataFrame(found.reshape(-1, L).astype(np.int16), columns=columns(L))
        frame.insert(0, "query_id", np.repeat(queries["query_id"].to_numpy(), k))
        frame.insert(1, "rank", np.tile(np.arange(1, k + 1), Q))
        frame.insert(2, "score", scores.ravel())
        with atomic(path) as scratch:
            frame[np.isfinite(frame["score"])].to_parquet(scratch, index=False)
    parameters = sum(p.numel() for p in retriever.parameters())
    facts = {"dataset": dataset, "system": system, "seed": seed, "constrained": constrained}
    facts |= {"beam": beam, "parameters": parameters}
    facts |= {"ms_per_query": 1000 * seconds / answered, "threads": torch.get_num_threads()}
    write_json(meta, facts)


def _decode(
    model: GenerativeRetriever, texts: list[str], beam: int, tree: PrefixTree | None, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return identifiers int64[Q, k, L] and scores float32[Q, k]."""
    tokens = model.encoder.tokenize(texts, "query")
    bf16 = has_bf16(model.encoder.device)
    parts = []
    for at in progress(range(0, len(texts), BATCH), f"decode {name}", unit="batches"):
        with autocast(model.encoder.device, bf16):
            e = model.encoder(tokens[at : at + BATCH]).float()
        parts.append(beam_search(model.decoder, e, beam, tree))
    ids, scores = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return ids, scores
