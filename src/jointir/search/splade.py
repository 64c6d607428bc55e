"""The `splade` stage: a sparse retriever whose weights a masked language model gives.

Formal et al. 2021, "SPLADE" and "SPLADE v2" (arXiv 2107.05720, 2109.10086): w_j of a text is the
highest log(1 + relu(logit of word j)) over its tokens, v2's max pooling; a document's score is the
inner product with the query. The model is used as it is: nothing of it is trained here.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from transformers import AutoModelForMaskedLM

from jointir.basics.files import write_json
from jointir.basics.progress import progress, say
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import write_run
from jointir.encode.embed import batches
from jointir.encode.encoder import best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.pretrained import load_pretrained
from jointir.methods.splade import Settings
from jointir.search.identical import top

WHERE = "--checkpoint"
LACKING = "Name a masked language model, with its head"
CELLS = 2**24  # scores of queries with documents that are in memory at a time, at most


class Splade:
    """A masked language model that gives each text a weight for each of V words."""

    def __init__(self, checkpoint: str, device: torch.device):
        """checkpoint: a folder, a hub id, or package:MODULE/FOLDER.

        Raises:
            InputError: it cannot be loaded, lacks weights, or has them not in safetensors.
        """
        self.tokenizer, self.model = load_pretrained(
            AutoModelForMaskedLM, checkpoint, device, WHERE, "masked language model", LACKING
        )

    @torch.inference_mode()
    def __call__(self, texts: list[str], length: int, batch_tokens: int) -> sparse.csr_array:
        """Return the weights of texts, cut to `length` tokens, as float32[n, V] in rows."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        options = {"truncation": True, "max_length": length, "return_attention_mask": False}
        tokens = self.tokenizer(clean, **options)["input_ids"]
        device, order, parts = self.model.device, [], []
        plan = list(batches([len(own) for own in tokens], batch_tokens))
        for rows in progress(plan, "splade", unit="batches"):
            wanted = {"input_ids": [tokens[row] for row in rows]}
            given = self.tokenizer.pad(wanted, return_tensors="pt").to(device)
            with autocast(device, has_bf16(device)):
                logits = self.model(**given).logits.float()  # [B, T, V]
            hidden = given["attention_mask"][..., None] == 0
            highest = logits.masked_fill(hidden, -torch.inf).amax(1)
            parts.append(sparse.csr_array(highest.relu().log1p().cpu().numpy()))
            order += rows
        return sparse.vstack(parts, format="csr")[np.argsort(order)]


def search(
    queries: sparse.csr_array, docs: sparse.csr_array, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows int64[Q, k] and inner products float32[Q, k], best first, of sparse vectors.

    queries: float32[Q, V]. docs: float32[N, V]. A document that shares no word is not found: its
    row is -1. Ties: in the documents' order.
    """
    lists, N = docs.T.tocsr(), docs.shape[0]  # of each word its documents
    rows = np.full((queries.shape[0], k), -1)
    scores = np.full((queries.shape[0], k), -np.inf, np.float32)
    step = max(1, CELLS // max(1, N))
    for at in range(0, queries.shape[0], step):
        products = (queries[at : at + step] @ lists).tocsr()
        products.sort_indices()
        for i, (a, b) in enumerate(zip(products.indptr, products.indptr[1:], strict=False)):
            best = np.argsort(-products.data[a:b], kind="stable")[:k]
            rows[at + i, : len(best)] = products.indices[a:b][best]
            scores[at + i, : len(best)] = products.data[a:b][best]
    return rows, scores


def splade(
    collection: Path,
    out: list[Path],
    meta: Path,
    dataset: str,
    system: str,
    checkpoint: str,
    settings: Settings,
    k: int = 100,
    batch_tokens: int = 1024,
) -> None:
    """Write a run of SPLADE for each split named in `out`, and its facts to `meta`.

    out: files named {split}.trec.gz. meta: a JSON of what the results tell about the system: the
    bytes of its inverted lists and of the model, and milliseconds a query, its encoding included.
    checkpoint: as `Splade` has it.

    Raises:
        InputError: the checkpoint cannot be loaded.
    """
    corpus, topics = read_corpus(collection), read_queries(collection)
    splits = [path.name.removesuffix(".trec.gz") for path in out]
    topics = topics[topics["split"].isin(splits)].reset_index(drop=True)
    model, doc_ids = Splade(checkpoint, best_device()), corpus["doc_id"].to_numpy(object)
    docs = model(document_texts(corpus), settings.document_length, batch_tokens)
    begun = time.perf_counter()
    queries = model(topics["text"].tolist(), settings.query_length, batch_tokens)
    found, scores = top(
        collection, topics["query_id"].tolist(), k, partial(_answers, queries, docs, doc_ids)
    )
    ms = 1000 * (time.perf_counter() - begun) / max(1, len(topics))
    for split, path in zip(splits, out, strict=True):
        own = np.flatnonzero(topics["split"].eq(split))
        write_run(path, topics["query_id"][own].tolist(), found[own], scores[own], system)
    say(f"{system}: {docs.nnz / max(1, len(corpus)):.1f} words a document")
    size = {"codes": docs.data.nbytes + docs.indices.nbytes, "other": 8 * (docs.shape[1] + 1)}
    facts = {"dataset": dataset, "system": system, "setting": "", "seed": 0}
    facts |= {"bytes_per_doc": sum(size.values()) // len(corpus), "n_docs": len(corpus), "dim": 0}
    weights = sum(p.numel() * p.element_size() for p in model.model.parameters())
    told = {"model bytes": weights, "ms a query": ms}
    write_json(meta, facts | {"bytes": size, "numbers": told})


def _answers(
    queries: sparse.csr_array, docs: sparse.csr_array, doc_ids: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return doc_ids [Q, k], "" where fewer are found, and scores float32[Q, k]."""
    rows, scores = search(queries, docs, k)
    return np.where(rows >= 0, doc_ids[rows], ""), scores
