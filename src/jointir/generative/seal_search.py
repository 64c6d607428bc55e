"""SEAL's search: it writes n-grams for each query, and ranks documents by them.

Two runs of each split: SEAL's own, and the hybrid, whose first documents the dense encoder ranks
anew by the inner product, as `generate` does for identifiers (hybrid.py).
"""

import numpy as np

from jointir.basics.progress import progress
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.expand.generator import Generator
from jointir.expand.sources import Sources
from jointir.generative.intersective import best_documents, importance
from jointir.generative.ngram_beam import write_ngrams
from jointir.generative.ngrams import NGrams
from jointir.generative.seal import bare_documents
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.methods.seal import Search
from jointir.search.ranker import Ranker

BATCH = 16  # queries that are written for at a time


class SEAL(Ranker):
    """A `seal` model with its collection's n-grams, and the embeddings by which it ranks anew."""

    setting, timed = "suffix array", True

    def __init__(self, files: RankerFiles, settings: Search, options: RankerOptions):
        """Index the n-grams of every document.

        Raises:
            InputError: the folder holds no model of SEAL's, or `docs` are of another collection or
                encoder.
        """
        corpus, self.settings = read_corpus(files.collection), settings
        self.model = Generator.load(files.model).to(best_device()).eval()
        self.doc_ids = corpus["doc_id"].to_numpy(object)
        self.row = {doc_id: row for row, doc_id in enumerate(self.doc_ids)}
        documents = bare_documents(self.model.encoder, document_texts(corpus))
        place = self.model.places.place.numpy()
        self.index = NGrams([place[tokens] for tokens in documents], settings.length)
        self.docs = read_embeddings(files.docs, files.collection, self.model.encoder.dim)

    def size(self) -> dict[str, int]:
        """Return the bytes that the n-grams need beside the model."""
        return {"codes": self.index.nbytes(), "embeddings": 0}

    def size_rescored(self) -> dict[str, int]:
        """Return the same with the documents' embeddings."""
        return self.size() | {"embeddings": self.docs.size * self.docs.itemsize}

    def numbers(self) -> dict[str, float]:
        """Return how many n-grams of a length are written for a query."""
        return {"beam": self.settings.beam}

    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return doc_ids [Q, k], "" where fewer are found, and scores float64[Q, k]."""
        own = self.settings
        sources = Sources(self.model.encoder, queries, kind="query")
        found = np.full((len(queries), k), "", object)
        scores = np.full((len(queries), k), -np.inf)
        for at in progress(range(0, len(queries), BATCH), "seal", unit="batches"):
            rows = np.arange(at, min(at + BATCH, len(queries)))
            written = write_ngrams(self.model, sources(rows), self.index, own.beam, own.unigrams)
            for query, (ngrams, log_p) in zip(rows, written, strict=True):
                w = importance(log_p, ngrams.count, self.index.T)
                best, values = best_documents(self.index, ngrams, w, own.alpha, own.beta, k)
                found[query, : len(best)] = self.doc_ids[best]
                scores[query, : len(best)] = values
        return found, scores

    def rescored(self, queries: list[str], found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first of found [Q, k] by inner product with the queries, and this.

        Ties: in the documents' order.
        """
        encoder = self.model.encoder
        bf16 = has_bf16(encoder.device)
        e = embed_texts(encoder, queries, "query", BATCH_TOKENS, bf16).astype(np.float32)
        found = found[:, : self.settings.rescored]
        ids, values = np.full(found.shape, "", object), np.full(found.shape, -np.inf, np.float32)
        for query, names in enumerate(found):
            rows = np.sort([self.row[name] for name in names if name]).astype(np.int64)
            products = np.einsum("nd,d->n", self.docs[rows].astype(np.float32), e[query])
            best = np.argsort(-products, kind="stable")
            ids[query, : len(rows)] = self.doc_ids[rows[best]]
            values[query, : len(rows)] = products[best]
        return ids, values
