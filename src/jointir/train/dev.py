"""Dev as trainings measure it: its queries, or a sample of them, and a ranking of documents."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.exact import best_rows
from jointir.data.measures import CUTOFF, canonical
from jointir.data.per_query import per_query
from jointir.data.store import (
    document_texts,
    labelled,
    own_rows,
    read_corpus,
    read_doc_ids,
    read_qrels,
    read_queries,
)
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.encode.precision import has_bf16
from jointir.methods.arguments import DevOptions, SampleOptions
from jointir.train.validation import Validation

DEPTH = 100  # documents of a ranking, or as many as the measure that looks furthest down
LEAST = 50  # queries of a group: the mean of fewer tells little


@dataclass(frozen=True)
class Dev:
    """Q queries of dev with a relevant document in the corpus, and what they are told apart by.

    own: the row of the document that is no answer to each query, -1 for none. groups: int64[Q], 1
    where all relevant documents are relevant to a train query, too; 0 for all others.
    """

    texts: list[str]
    qrels: pd.DataFrame
    query_ids: list[str]
    own: np.ndarray
    groups: np.ndarray
    doc_ids: pd.Series
    measures: list[str]

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Return float64[m, Q], the measures of rankings int64[Q, k], best first, -1 for none."""
        run = {}
        for query_id, ranked, own in zip(self.query_ids, rows, self.own, strict=True):
            kept = ranked[(ranked >= 0) & (ranked != own)]
            names = self.doc_ids.iloc[kept]
            run[query_id] = {d: float(len(kept) - i) for i, d in enumerate(names)}
        found = per_query(run, self.qrels, self.measures)
        table = found.pivot(index="measure", columns="query_id", values="value")
        return table.loc[self.measures, self.query_ids].to_numpy(np.float64)

    def of(self, queries: np.ndarray) -> "Dev":
        """Return dev with the queries bool[Q] alone."""
        ids = [i for i, kept in zip(self.query_ids, queries, strict=True) if kept]
        texts = [t for t, kept in zip(self.texts, queries, strict=True) if kept]
        qrels = self.qrels[self.qrels["query_id"].isin(ids)]
        own, groups = self.own[queries], _groups(self.groups[queries])
        return Dev(texts, qrels, ids, own, groups, self.doc_ids, self.measures)

    def validation(self, options: DevOptions, rank: Callable[[int], np.ndarray]) -> Validation:
        """Return how a training is validated; rank(k): int64[Q, k], as the module ranks now."""
        k = min(depth(self.measures) + 1, len(self.doc_ids))  # one may be the query itself
        often = (options.validate_every, options.patience)
        return Validation(lambda: self.values(rank(k)), self.groups, self.measures, *often)


def depth(measures: list[str]) -> int:
    """Return how many documents a ranking must have for canonical measures such as R@1000."""
    return max([DEPTH, *(int(found[1]) for m in measures if (found := CUTOFF.search(m)))])


def _groups(groups: np.ndarray) -> np.ndarray:
    """Return the groups, or one of all where a group has too few queries to tell anything."""
    return groups if np.bincount(groups, minlength=2).min() >= LEAST else np.zeros_like(groups)


def _hashed(ids: pd.Series) -> pd.Series:
    return ids.map(lambda i: hashlib.sha256(i.encode()).digest())


def read_dev(collection: Path, options: DevOptions) -> Dev:
    """Return dev's queries: at most `dev_queries`, which a hash of their ids puts first."""
    doc_ids = read_doc_ids(collection)
    qrels = read_qrels(collection / "qrels" / "dev.trec")
    queries = read_queries(collection, "dev")
    relevant = qrels[qrels["relevance"].gt(0) & qrels["doc_id"].isin(doc_ids)]
    queries = queries[queries["query_id"].isin(relevant["query_id"])]
    queries = queries.sort_values("query_id", key=_hashed)[: options.dev_queries]
    qrels = qrels[qrels["query_id"].isin(queries["query_id"])]
    own = own_rows(collection, queries["query_id"].tolist())
    known = relevant["doc_id"].isin(labelled(collection)).groupby(relevant["query_id"]).all()
    groups = _groups(known[queries["query_id"]].to_numpy(np.int64))
    return Dev(
        queries["text"].tolist(),
        qrels,
        queries["query_id"].tolist(),
        own,
        groups,
        doc_ids,
        list(dict.fromkeys(canonical(name) for name in options.dev_measures)),
    )


def validation(
    collection: Path,
    options: DevOptions,
    encoder: DualEncoder,
    search: Callable[[np.ndarray, int], np.ndarray],
) -> Validation | None:
    """Return how a training is validated whose documents, or their index, stay where they are.

    search: returns the rows of the k best documents, int64[Q, k], for query embeddings [Q, D].
    None where nothing is to be measured.
    """
    if not options.validate_every:
        return None
    dev = read_dev(collection, options)

    def rank(k: int) -> np.ndarray:
        bf16 = has_bf16(encoder.device)
        return search(embed_texts(encoder.eval(), dev.texts, "query", BATCH_TOKENS, bf16), k)

    return dev.validation(options, rank)


def sample(dev: Dev, documents: int) -> tuple[Dev, np.ndarray]:
    """Return dev with as many queries as it can have, and rows int64[n] of at most `documents`.

    Of the corpus: all documents that are relevant to the queries, which may be half of the rows,
    and others that a hash of their ids puts first. Every row of a corpus that is small enough.
    """
    if len(dev.doc_ids) <= documents:
        return dev, np.arange(len(dev.doc_ids))
    row = pd.Series(np.arange(len(dev.doc_ids)), index=dev.doc_ids)
    relevant = dev.qrels[dev.qrels["relevance"].gt(0) & dev.qrels["doc_id"].isin(dev.doc_ids)]
    of_query = relevant.groupby("query_id")["doc_id"].agg(list)[dev.query_ids]
    total = np.cumsum([len(docs) for docs in of_query])
    kept = total <= max(documents // 2, total[0])
    rows = row[sorted({d for docs in of_query[kept] for d in docs})].to_numpy()
    others = dev.doc_ids[~dev.doc_ids.index.isin(rows)]
    others = _hashed(others).sort_values().index[: max(0, documents - len(rows))]
    return dev.of(kept), np.sort(np.concatenate([rows, others.to_numpy()]))


def sampled_validation(
    collection: Path,
    options: SampleOptions,
    rank: Callable[[list[str], list[str], int], np.ndarray],
) -> Validation | None:
    """Return how a training is validated that moves the documents' embeddings, too.

    Queries and documents are a sample: what it measures is an easier task than the whole corpus,
    and the same one at each step. rank: returns, for the texts of queries and of documents, the
    rows int64[Q, k] of the k best documents, best first.
    """
    if not options.validate_every:
        return None
    dev, rows = sample(read_dev(collection, options), options.dev_documents)
    bodies = document_texts(read_corpus(collection))
    bodies = [bodies[row] for row in rows]
    return dev.validation(options, lambda k: rows[rank(dev.texts, bodies, min(k, len(rows)))])


def dual_validation(
    collection: Path, options: SampleOptions, encoder: DualEncoder
) -> Validation | None:
    """Return how the training of an encoder of queries and documents is validated."""

    def rank(queries: list[str], docs: list[str], k: int) -> np.ndarray:
        bf16 = has_bf16(encoder.device)
        encoder.eval()
        bodies = embed_texts(encoder, docs, "document", BATCH_TOKENS, bf16)
        return best_rows(embed_texts(encoder, queries, "query", BATCH_TOKENS, bf16), bodies, k)

    return sampled_validation(collection, options, rank)
