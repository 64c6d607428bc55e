"""BM25, by bm25s: the lexical baseline."""

from functools import partial
from itertools import product
from pathlib import Path

import bm25s
import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.progress import progress, say
from jointir.data.generated import expanded
from jointir.data.measures import canonical, check_depth, parse, reported
from jointir.data.per_query import per_query
from jointir.data.store import document_texts, read_corpus, read_qrels, read_queries
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.methods.bm25 import Settings
from jointir.search.identical import top
from jointir.search.ranker import Ranker

QUIET = {"show_progress": False}


class BM25(Ranker):
    """BM25 (Lucene's variant, English stop words, no stemming) over a collection's documents.

    k1 and b are those of the highest mean of `measure` on dev; of equals, the first.
    """

    def __init__(self, files: RankerFiles, settings: Settings, options: RankerOptions):
        """Index the documents, with generated queries behind them where these are given.

        Raises:
            InputError: no k1 or no b is given, the measure is unknown or looks below rank k, or
                the generated queries are of another collection.
        """
        if not settings.k1 or not settings.b:
            raise InputError("bm25", "no k1 or no b", "Name at least one of each")
        corpus = read_corpus(files.collection)
        texts = document_texts(corpus)
        if files.generated:
            texts = expanded(texts, corpus["doc_id"], files.generated)
        self.doc_ids = corpus["doc_id"].to_numpy(object)
        self.tokens = bm25s.tokenize(texts, stopwords="en", **QUIET)
        self.index = bm25s.BM25(method="lucene")
        k1, b = self._tuned(files.collection, settings, options)
        self.set(k1, b)
        self.setting = f"k1={k1:g} b={b:g}"

    def set(self, k1: float, b: float) -> None:
        """Index the documents with other parameters."""
        self.index = bm25s.BM25(k1=k1, b=b, method="lucene")
        self.index.index(self.tokens, **QUIET)

    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return str[Q, k] document ids, "" where no word is shared, and float[Q, k] scores."""
        words = bm25s.tokenize(queries, stopwords="en", return_ids=False, **QUIET)
        rows, scores = self.index.retrieve(words, k=min(k, len(self.doc_ids)), **QUIET)
        return np.where(scores > 0, self.doc_ids[rows], ""), scores

    def size(self) -> dict[str, int]:
        """Return the bytes of the index: a weight and a document for each posting; the words."""
        postings = self.index.scores["data"].nbytes + self.index.scores["indices"].nbytes
        words = sum(len(word.encode()) for word in self.index.vocab_dict)
        return {"codes": postings, "other": self.index.scores["indptr"].nbytes + words}

    def _tuned(
        self, collection: Path, settings: Settings, options: RankerOptions
    ) -> tuple[float, float]:
        """Return the k1 and b that are best on dev."""
        measure, pairs = options.measure, list(product(settings.k1, settings.b))
        depth = parse(measure).params.get("cutoff", options.k)
        if len(pairs) == 1:
            return pairs[0]
        check_depth([canonical(measure)], options.k, "--measure")
        topics = read_queries(collection, "dev")
        qrels = read_qrels(collection / "qrels" / "dev.trec")
        search = partial(self.search, topics["text"].tolist())
        means = []
        for pair in progress(pairs, "bm25 on dev", unit="settings"):
            self.set(*pair)
            found, _ = top(collection, topics["query_id"].tolist(), depth, search)
            run = {
                query: {doc: -float(rank) for rank, doc in enumerate(row) if doc}
                for query, row in zip(topics["query_id"], found, strict=True)
            }
            means.append(per_query(run, qrels, [measure])["value"].mean())
            told = f"{reported(measure)} {means[-1]:.4f} on dev"
            say(f"bm25 k1={pair[0]:g} b={pair[1]:g}: {told}")
        return pairs[int(np.argmax(means))]
