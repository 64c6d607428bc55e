"""The `bm25` stage: the lexical baseline, by bm25s."""

from pathlib import Path

import bm25s
import numpy as np

from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.measure.trec import write_run
from jointir.progress import say


def bm25(collection: Path, out: list[Path], k1: float = 1.5, b: float = 0.75, k: int = 100) -> None:
    """Write a run of BM25 (Lucene's variant, English stop words, no stemming) for each split.

    out: files named {split}.trec.gz. A document without any word of the query is not retrieved.
    """
    corpus = read_corpus(collection)
    doc_ids = corpus["doc_id"].to_numpy(object)
    quiet = {"show_progress": False}
    index = bm25s.BM25(k1=k1, b=b, method="lucene")
    index.index(bm25s.tokenize(document_texts(corpus), stopwords="en", **quiet), **quiet)
    for path in out:
        split = path.name.removesuffix(".trec.gz")
        topics = read_queries(collection, split)
        words = bm25s.tokenize(topics["text"].tolist(), stopwords="en", return_ids=False, **quiet)
        rows, scores = index.retrieve(words, k=min(k, len(doc_ids)), **quiet)  # [Q, k], [Q, k]
        found = np.where(scores > 0, doc_ids[rows], "")
        write_run(path, topics["query_id"].tolist(), found, scores, "bm25")
        say(f"bm25 k1={k1} b={b}: {split}, {len(topics)} queries")
