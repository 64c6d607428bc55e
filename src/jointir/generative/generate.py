"""The `generate` stage: the identifiers that the decoder writes for each query, best first.

Decodings: `free`, as in the paper; `constrained` to existing identifiers by a prefix tree;
`hybrid`, a wider constrained beam whose documents are ranked by the encoder.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.basics.files import atomic, write_json
from jointir.basics.progress import progress
from jointir.data.store import own_rows, read_about, read_queries
from jointir.data.trec import write_run
from jointir.encode.encoder import best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import autocast, has_bf16
from jointir.generative.beam import BATCH, beam_search
from jointir.generative.hybrid import Rescorer, rescore
from jointir.generative.ids import columns, read_ids, small
from jointir.generative.model import GenerativeRetriever
from jointir.generative.tree import PrefixTree

FREE, CONSTRAINED, HYBRID = "free", "constrained", "hybrid"


@torch.inference_mode()
def generate(
    collection: Path,
    model: Path,
    ids: Path,
    docs: Path,
    out: Path,
    runs: list[Path],
    meta: Path,
    dataset: str,
    system: str,
    seed: int,
    beam: int = 10,
    hybrid_beam: int = 50,
) -> None:
    """Write split, decoding, query_id, rank (from 1), score and id_1 ... id_L as parquet, and runs.

    docs: float[N, D], the collection's embeddings by the model's own encoder. runs: files named
    {split}.trec.gz, of each split's hybrid answers. meta: a JSON that says what this was; of each
    decoding its beam, its bytes, and its milliseconds a query, encoder included, queries in batches
    of 64.

    Raises:
        InputError: `docs` is of another collection or encoder.
    """
    retriever = GenerativeRetriever.load(model).to(best_device())
    documents = read_ids(ids)
    matrix = read_embeddings(docs, collection, retriever.encoder.dim)
    decoding = _Decoding(collection, retriever, *documents, matrix)
    beams = {FREE: beam, CONSTRAINED: beam, HYBRID: hybrid_beam}
    parts, answered = [], 0
    for path in runs:
        split = path.name.removesuffix(".trec.gz")
        topics = read_queries(collection, split)
        query_ids = topics["query_id"].to_numpy()
        e = decoding.encode(topics["text"].tolist(), split)
        for name in (FREE, CONSTRAINED):
            parts.append(_frame(query_ids, *decoding.identifiers(e, query_ids, name, beam)))
            parts[-1].insert(0, "split", split)
            parts[-1].insert(1, "decoding", name)
        write_run(path, query_ids, *decoding.documents(e, query_ids, hybrid_beam), system)
        answered += len(topics)
    with atomic(out) as scratch:
        pd.concat(parts).to_parquet(scratch, index=False)
    facts = {"dataset": dataset, "system": system, "seed": seed, "beam": beams}
    facts["parameters"] = sum(p.numel() for p in retriever.parameters())
    facts["bytes"] = {name: sizes(retriever, matrix, name) for name in beams}
    facts["ms_per_query"] = {name: 1000 * decoding.seconds(name) / answered for name in beams}
    write_json(meta, facts | {"threads": torch.get_num_threads()})


def sizes(model: GenerativeRetriever, docs: np.ndarray, decoding: str) -> dict[str, int]:
    """Return the bytes that a decoding needs: model, identifiers, and for HYBRID embeddings.

    The model is encoder, indexing module and decoder, and whatever else is saved with them. A token
    of an identifier takes a byte, two where V is above 256, four where it is above 65,536.
    """
    saved = {t.data_ptr(): t for t in model.state_dict().values()}  # a shared weight once
    weights = sum(t.numel() * t.element_size() for t in saved.values())
    token = np.min_scalar_type(model.indexer.V - 1).itemsize
    embeddings = docs.size * docs.itemsize if decoding == HYBRID else 0
    identifiers = len(docs) * model.indexer.L * token
    return {"model": weights, "identifiers": identifiers, "embeddings": embeddings}


class _Decoding:
    """The decodings of one model, and the seconds that each has taken."""

    def __init__(
        self,
        collection: Path,
        model: GenerativeRetriever,
        doc_ids: list[str],
        ids: np.ndarray,
        docs: np.ndarray,
    ):
        self.collection, self.model, V = collection, model, model.indexer.V
        self.doc_ids, self.own = np.array([*doc_ids, ""], object), own_ids(collection, doc_ids, ids)
        self.tree, self.rescorer = PrefixTree(ids, V), Rescorer(ids, docs, V)
        self.spent = dict.fromkeys(("encode", FREE, CONSTRAINED, HYBRID), 0.0)

    def seconds(self, decoding: str) -> float:
        """Return what a decoding took, with the encoder, which works once for all of them."""
        return self.spent["encode"] + self.spent[decoding]

    def encode(self, texts: list[str], split: str) -> torch.Tensor:
        """Return the queries' embeddings, float32[Q, D]."""
        begun, encoder = time.perf_counter(), self.model.encoder
        tokens, bf16, parts = encoder.tokenize(texts, "query"), has_bf16(encoder.device), []
        for at in progress(range(0, len(texts), BATCH), f"encode {split}", unit="batches"):
            with autocast(encoder.device, bf16):
                parts.append(encoder(tokens[at : at + BATCH]).float())
        e = torch.cat(parts)
        self.spent["encode"] += time.perf_counter() - begun
        return e

    def identifiers(
        self, e: torch.Tensor, query_ids: np.ndarray, decoding: str, beam: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return identifiers int64[Q, k, L] and scores float32[Q, k] without the queries' own."""
        begun, parts = time.perf_counter(), []
        tree = None if decoding == FREE else self.tree
        for some in progress(e.split(BATCH), f"decode {decoding}", unit="batches"):
            parts.append(beam_search(self.model.decoder, some, beam + bool(self.own), tree))
        ids, scores = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        self.spent[decoding] += time.perf_counter() - begun
        return without_own(ids, scores, query_ids, self.own, beam) if self.own else (ids, scores)

    def documents(
        self, e: torch.Tensor, query_ids: np.ndarray, beam: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return doc_ids [Q, DEPTH], "" where fewer are found, and their scores, best first."""
        ids, scores = self.identifiers(e, query_ids, HYBRID, beam)
        own, begun = own_rows(self.collection, query_ids), time.perf_counter()
        rows, products = rescore(self.rescorer, e.cpu().numpy(), ids, scores, own)
        self.spent[HYBRID] += time.perf_counter() - begun
        return self.doc_ids[rows], products


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
    ids: np.ndarray, scores: np.ndarray, query_ids: np.ndarray, own: dict[str, np.ndarray], k: int
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
    frame = pd.DataFrame(small(ids.reshape(-1, L)), columns=columns(L))
    frame.insert(0, "query_id", np.repeat(query_ids, k))
    frame.insert(1, "rank", np.tile(np.arange(1, k + 1), Q))
    frame.insert(2, "score", scores.ravel())
    return frame[np.isfinite(frame["score"])]
