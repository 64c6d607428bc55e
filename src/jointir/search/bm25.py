"""The `bm25` stage: the lexical baseline, by bm25s."""

from functools import partial
from itertools import product
from pathlib import Path

import bm25s
import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.progress import progress, say
from jointir.data.generated import expanded
from jointir.data.measures import canonical, check_depth, parse, reported
from jointir.data.per_query import per_query
from jointir.data.store import document_texts, read_corpus, read_qrels, read_queries
from jointir.data.trec import write_run
from jointir.search.identical import top

QUIET = {"show_progress": False}


class Lexical:
    """BM25 (Lucene's variant, English stop words, no stemming) over a collection's documents."""

    def __init__(self, doc_ids: np.ndarray, texts: list[str]):
        self.doc_ids = doc_ids
        self.tokens = bm25s.tokenize(texts, stopwords="en", **QUIET)
        self.index = bm25s.BM25(method="lucene")

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


def answers(
    lexical: Lexical, collection: Path, topics: pd.DataFrame, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `Lexical.search` does, but for documents that are no answers."""
    search = partial(lexical.search, topics["text"].tolist())
    return top(collection, topics["query_id"].tolist(), k, search)


def tuned(
    lexical: Lexical, collection: Path, k1: list[float], b: list[float], measure: str, k: int
) -> tuple[float, float]:
    """Return the k1 and b of the highest mean of `measure` on dev; of equals, the first.

    k: documents a query of a run.
    """
    depth = parse(measure).params.get("cutoff", k)
    if len(k1) * len(b) == 1:
        return k1[0], b[0]
    check_depth([canonical(measure)], k, "--measure")
    topics = read_queries(collection, "dev")
    qrels = read_qrels(collection / "qrels" / "dev.trec")
    best, chosen = -1.0, (k1[0], b[0])
    pairs = list(product(k1, b))
    for pair in progress(pairs, "bm25 on dev", unit="settings"):
        lexical.set(*pair)
        found, _ = answers(lexical, collection, topics, depth)
        run = {
            query: {doc: -float(rank) for rank, doc in enumerate(row) if doc}
            for query, row in zip(topics["query_id"], found, strict=True)
        }
        value = per_query(run, qrels, [measure])["value"].mean()
        say(f"bm25 k1={pair[0]:g} b={pair[1]:g}: {reported(measure)} {value:.4f} on dev")
        if value > best:
            best, chosen = value, pair
    return chosen


def bm25(
    collection: Path,
    out: list[Path],
    meta: Path,
    dataset: str,
    k1: list[float],
    b: list[float],
    k: int = 100,
    measure: str = "RR@10",
    system: str = "bm25",
    generated: Path | None = None,
) -> None:
    """Write a run of BM25 for each split, with the k1 and b that are best on dev.

    out: files named {split}.trec.gz. meta: a JSON of what the results table tells about the
    system, bytes included. measure: by whose mean on dev they are chosen, an ir-measures name.
    A document without any word of the query is not retrieved. system: its name in the run and in
    `meta`. generated: queries of the `expand` stage, which every document has behind its text.

    Raises:
        InputError: no k1 or no b is given, the measure is unknown or looks below rank k, or
            `generated` is of another collection.
    """
    if not k1 or not b:
        raise InputError("bm25", "no k1 or no b", "Name at least one of each")
    corpus = read_corpus(collection)
    texts = document_texts(corpus)
    if generated:
        texts = expanded(texts, corpus["doc_id"], generated)
    lexical = Lexical(corpus["doc_id"].to_numpy(object), texts)
    chosen = tuned(lexical, collection, k1, b, measure, k)
    lexical.set(*chosen)
    setting = f"k1={chosen[0]:g} b={chosen[1]:g}"
    for path in out:
        split = path.name.removesuffix(".trec.gz")
        topics = read_queries(collection, split)
        found, scores = answers(lexical, collection, topics, k)
        write_run(path, topics["query_id"].tolist(), found, scores, system)
        say(f"{system} {setting}: {split}, {len(topics)} queries")
    size, N = lexical.size(), len(corpus)
    facts = {"dataset": dataset, "system": system, "setting": setting, "seed": 0}
    facts |= {"bytes_per_doc": sum(size.values()) // N, "n_docs": N, "dim": 0}
    write_json(meta, facts | {"bytes": size})
