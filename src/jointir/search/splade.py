"""SPLADE: a sparse retriever whose weights a masked language model gives.

Formal et al. 2021, "SPLADE" and "SPLADE v2" (arXiv 2107.05720, 2109.10086): w_j of a text is the
highest log(1 + relu(logit of word j)) over its tokens, v2's max pooling; a document's score is the
inner product with the query. The model is used as it is: nothing of it is trained here.
"""

import numpy as np
import torch
from scipy import sparse
from transformers import AutoModelForMaskedLM

from jointir.basics.progress import progress, say
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import batches
from jointir.encode.encoder import best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.encode.pretrained import load_pretrained
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.methods.splade import Settings
from jointir.search.ranker import Ranker

WHERE = "--checkpoint"
LACKING = "Name a masked language model, with its head"
CELLS = 2**24  # scores of queries with documents that are in memory at a time, at most


class Weights:
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


class Splade(Ranker):
    """A collection's documents and queries in words that a masked language model weighs."""

    timed = True

    def __init__(self, files: RankerFiles, settings: Settings, options: RankerOptions):
        """Weigh the words of every document.

        Raises:
            InputError: the checkpoint cannot be loaded.
        """
        corpus, self.settings, self.options = read_corpus(files.collection), settings, options
        self.doc_ids = corpus["doc_id"].to_numpy(object)
        self.weights = Weights(settings.checkpoint, best_device())
        texts, length = document_texts(corpus), settings.document_length
        self.docs = self.weights(texts, length, options.batch_tokens)
        say(f"splade: {self.docs.nnz / max(1, len(corpus)):.1f} words a document")

    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return str[Q, k] document ids, "" where fewer share a word, and float32[Q, k] scores."""
        length, tokens = self.settings.query_length, self.options.batch_tokens
        rows, scores = search(self.weights(queries, length, tokens), self.docs, k)
        return np.where(rows >= 0, self.doc_ids[rows], ""), scores

    def size(self) -> dict[str, int]:
        """Return the bytes of the inverted lists: a weight and a document for each posting."""
        postings = self.docs.data.nbytes + self.docs.indices.nbytes
        return {"codes": postings, "other": 8 * (self.docs.shape[1] + 1)}

    def numbers(self) -> dict[str, float]:
        """Return the bytes of the model's weights."""
        weights = self.weights.model.parameters()
        return {"model bytes": sum(p.numel() * p.element_size() for p in weights)}
