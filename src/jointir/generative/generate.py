"""The `generate` stage: the identifiers that the decoder writes for each query, best first."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.data.store import read_about, read_queries
from jointir.encode.encoder import best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.files import atomic, write_json
from jointir.generative.beam import beam_search
from jointir.generative.ids import columns, read_ids
from jointir.generative.model import GenerativeRetriever
from jointir.generative.tree import PrefixTree
from jointir.progress import progress

BATCH = 64
DECODINGS = ("free", "constrained")  # as in the paper; existing identifiers only


@torch.inference_mode()
def generate(
    collection: Path,
    model: Path,
    ids: Path,
    out: Path,
    meta: Path,
    dataset: str,
    system: str,
    seed: int,
    split: list[str],
    beam: int = 10,
) -> None:
    """Write split, decoding, query_id, rank (from 1), score and id_1 ... id_L as parquet.

    Every query of the splits is decoded freely, as in the paper, and constrained to the identifiers
    of `ids` by a prefix tree. meta: a JSON that says what this was, with parameters and decode
    milliseconds a query, encoder included, queries in batches of 64.
    """
    retriever = GenerativeRetriever.load(model).to(best_device())
    documents = read_ids(ids)
    trees = {"free": None, "constrained": PrefixTree(documents[1], retriever.indexer.V)}
    own = own_ids(collection, *documents)
    seconds, parts = dict.fromkeys(DECODINGS, 0.0), []
    queries = {s: read_queries(collection, s) for s in split}
    for name, topics in queries.items():
        for decoding in DECODINGS:
            begun = time.perf_counter()
            texts = topics["text"].tolist()
            wider = beam + bool(own)
            found = _decode(retriever, texts, wider, trees[decoding], f"{name}, {decoding}")
            seconds[decoding] += time.perf_counter() - begun
            if own:
                found = without_own(*found, topics["query_id"], own, beam)
            parts.append(_frame(topics["query_id"].to_numpy(), *found))
            parts[-1].insert(0, "split", name)
            parts[-1].insert(1, "decoding", decoding)
    with atomic(out) as scratch:
        pd.concat(parts).to_parquet(scratch, index=False)
    answered = sum(map(len, queries.values()))
    facts = {"dataset": dataset, "system": system, "seed": seed, "beam": beam}
    facts["parameters"] = sum(p.numel() for p in retriever.parameters())
    facts["ms_per_query"] = {d: 1000 * s / answered for d, s in seconds.items()}
    write_json(meta, facts | {"threads": torch.get_num_threads()})


def own_ids(collection: Path, doc_ids: list[str], ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return by doc_id the identifiers int64[L] that belong to one document alone.

    They are no answers to the queries of the same ids where the collection drops identical ids;
    where it does not, the result is empty. An identifier of several documents stays an answer.
    """
    if not read_about(collection).drop_identical_ids:
        return {}
    _, group, count = np.unique(ids, axis=0, return_inverse=True, return_counts=True)
    alone = count[group.ravel()] == 1
    return {doc: own for doc, own, single in zip(doc_ids, ids, alone, strict=True) if single}


def without_own(
    ids: np.ndarray, scores: np.ndarray, query_ids: pd.Series, own: dict[str, np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return int64[Q, k, L] and float32[Q, k]: the first k that are not a query's own.

    ids, scores: [Q, k + 1, L] and [Q, k + 1], best first. own: see `own_ids`.
    """
    none = np.full(ids.shape[2], -1)
    mine = np.stack([own.get(query, none) for query in query_ids])  # [Q, L]
    scores = np.where((ids == mine[:, None]).all(2), -np.inf, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids, order[..., None], 1), np.take_along_axis(scores, order, 1)


def _frame(query_ids: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return a row for each identifier that was found, of int64[Q, k, L] and float32[Q, k]."""
    Q, k, L = ids.shape
    frame = pd.DataFrame(ids.reshape(-1, L).astype(np.int16), columns=columns(L))
    frame.insert(0, "query_id", np.repeat(query_ids, k))
    frame.insert(1, "rank", np.tile(np.arange(1, k + 1), Q))
    frame.insert(2, "score", scores.ravel())
    return frame[np.isfinite(frame["score"])]


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
