"""The `seal-search` stage: SEAL writes n-grams for each query, and ranks documents by them.

Two runs of each split: SEAL's own, and the hybrid, whose first documents the dense encoder ranks
anew by the inner product, as `generate` does for identifiers (hybrid.py).
"""

import time
from functools import partial
from pathlib import Path

import numpy as np

from jointir.basics.files import write_json
from jointir.basics.progress import progress, say
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import write_run
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
from jointir.methods.seal_search import Settings
from jointir.search.identical import top

BATCH = 16  # queries that are written for at a time
OWN, HYBRID = "suffix array", "hybrid"  # what results call the two rankings


def seal_search(
    collection: Path,
    model: Path,
    docs: Path,
    out: list[Path],
    meta: Path,
    out_hybrid: list[Path],
    meta_hybrid: Path,
    dataset: str,
    system: str,
    length: int,
    settings: Settings,
    seed: int = 0,
    k: int = 100,
) -> None:
    """Write both runs of a `seal` model for each split named in `out`, and their facts.

    docs: float[N, D], the documents' embeddings by the encoder of `model`. out, out_hybrid: files
    named {split}.trec.gz. meta, meta_hybrid: JSONs of what the results tell about the two: bytes,
    and the milliseconds of a query, encoder included. length: tokens of the longest n-gram.

    Raises:
        InputError: `model` is none of SEAL's, or `docs` is of another collection or encoder.
    """
    generator = Generator.load(model).to(best_device())
    searcher = _Searcher(collection, generator, docs, length, settings)
    facts = {"dataset": dataset, "system": system, "seed": seed, "n_docs": len(searcher.doc_ids)}
    answered = 0
    for path, other in zip(out, out_hybrid, strict=True):
        split = path.name.removesuffix(".trec.gz")
        topics = read_queries(collection, split)
        query_ids, texts = topics["query_id"].tolist(), topics["text"].tolist()
        found, scores = top(collection, query_ids, k, partial(searcher.search, texts))
        write_run(path, query_ids, found, scores, system)
        write_run(other, query_ids, *searcher.rescored(texts, found), system)
        say(f"{system}: {split}, {len(topics)} queries")
        answered += len(topics)
    for name, path in ((OWN, meta), (HYBRID, meta_hybrid)):
        size, ms = searcher.size(name), 1000 * searcher.seconds(name) / answered
        about = {"setting": name, "bytes_per_doc": sum(size.values()) // facts["n_docs"], "dim": 0}
        told = {"beam": settings.beam, "ms a query": ms}
        write_json(path, facts | about | {"bytes": size, "numbers": told})


class _Searcher:
    """A model with its collection's n-grams, and the seconds that each ranking has taken."""

    def __init__(
        self, collection: Path, model: Generator, docs: Path, length: int, settings: Settings
    ):
        corpus, self.model, self.settings = read_corpus(collection), model.eval(), settings
        self.doc_ids = corpus["doc_id"].to_numpy(object)
        self.row = {doc_id: row for row, doc_id in enumerate(self.doc_ids)}
        documents = bare_documents(model.encoder, document_texts(corpus))
        place = model.places.place.numpy()
        self.index = NGrams([place[tokens] for tokens in documents], length)
        self.docs = read_embeddings(docs, collection, model.encoder.dim)
        self.spent = {OWN: 0.0, HYBRID: 0.0}

    def seconds(self, name: str) -> float:
        """Return what a ranking took; the hybrid begins with the other."""
        return self.spent[OWN] + (self.spent[HYBRID] if name == HYBRID else 0)

    def size(self, name: str) -> dict[str, int]:
        """Return the bytes that a ranking needs beside the model."""
        embeddings = self.docs.size * self.docs.itemsize if name == HYBRID else 0
        return {"codes": self.index.nbytes(), "embeddings": embeddings}

    def search(self, texts: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return doc_ids [Q, k], "" where fewer are found, and scores float64[Q, k]."""
        begun, own = time.perf_counter(), self.settings
        sources = Sources(self.model.encoder, texts, kind="query")
        found = np.full((len(texts), k), "", object)
        scores = np.full((len(texts), k), -np.inf)
        for at in progress(range(0, len(texts), BATCH), "seal", unit="batches"):
            queries = np.arange(at, min(at + BATCH, len(texts)))
            written = write_ngrams(self.model, sources(queries), self.index, own.beam, own.unigrams)
            for query, (ngrams, log_p) in zip(queries, written, strict=True):
                w = importance(log_p, ngrams.count, self.index.T)
                rows, values = best_documents(self.index, ngrams, w, own.alpha, own.beta, k)
                found[query, : len(rows)] = self.doc_ids[rows]
                scores[query, : len(rows)] = values
        self.spent[OWN] += time.perf_counter() - begun
        return found, scores

    def rescored(self, texts: list[str], found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first of found [Q, k] by inner product with the queries, and this.

        Ties: in the documents' order.
        """
        begun, encoder = time.perf_counter(), self.model.encoder
        bf16 = has_bf16(encoder.device)
        e = embed_texts(encoder, texts, "query", BATCH_TOKENS, bf16).astype(np.float32)
        found = found[:, : self.settings.rescored]
        ids, values = np.full(found.shape, "", object), np.full(found.shape, -np.inf, np.float32)
        for query, names in enumerate(found):
            rows = np.sort([self.row[name] for name in names if name]).astype(np.int64)
            products = np.einsum("nd,d->n", self.docs[rows].astype(np.float32), e[query])
            best = np.argsort(-products, kind="stable")
            ids[query, : len(rows)] = self.doc_ids[rows[best]]
            values[query, : len(rows)] = products[best]
        self.spent[HYBRID] += time.perf_counter() - begun
        return ids, values
