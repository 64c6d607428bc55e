"""Training queries, their relevant documents, and what is a negative of what.

Every training takes both from here, so that one place says it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jointir.basics.errors import InputError
from jointir.data.store import read_about, read_doc_ids, read_qrels, read_queries
from jointir.methods.shared import ALL, DRAWN, LABELLED, HardNegatives
from jointir.train.candidates import Candidates
from jointir.train.order import shuffled
from jointir.train.processes import say_once


class TrainingPairs(NamedTuple):
    """Training queries and rows of the corpus.

    texts: of Q queries. positives: of each, the rows that are relevant and have text, at least one.
    never: of each, the rows that no training takes as its negatives: all that are relevant and,
    where the collection drops identical ids, its own document. among: what negatives are mined
    from. rows: int64[Q], where they are among all training queries, as `read_queries` returns them.
    """

    texts: list[str]
    positives: list[np.ndarray]
    never: list[np.ndarray]
    among: Candidates
    rows: np.ndarray

    def of(self, queries: np.ndarray) -> "TrainingPairs":
        """Return those of the queries int64[n]."""
        own = ([values[i] for i in queries] for values in self[:3])
        return TrainingPairs(*own, self.among, self.rows[queries])


def training_pairs(collection: Path, mined_from: str = LABELLED) -> TrainingPairs:
    """Return the training queries that have a positive and a possible negative.

    mined_from: "labelled": negatives are documents that are relevant to some training query. A
    document without one can never be a positive; as a negative it would be pushed away from every
    query, and new queries ask for just such documents (reports/LOG.md). "all": any document. Where
    a query would have no negative among the labelled, they are mined from all.

    Raises:
        InputError: `mined_from` is neither, or there is no such query.
    """
    if mined_from not in (LABELLED, ALL):
        remedy = f"Choose {LABELLED} or {ALL}"
        raise InputError("mined_from", f"{mined_from!r} is unknown", remedy)
    qrels = read_qrels(collection / "qrels" / "train.trec")
    relevant = qrels[qrels["relevance"] > 0].groupby("query_id")["doc_id"].agg(list).to_dict()
    about, doc_ids = read_about(collection), read_doc_ids(collection)
    judged = {d for docs in relevant.values() for d in docs}  # of a large corpus a small part
    wanted = judged | set(relevant) if about.drop_identical_ids else judged
    row = {d: i for i, d in enumerate(doc_ids) if d in wanted}
    texts, positives, never, rows, without = [], [], [], [], []
    queries = read_queries(collection, "train")
    both = zip(queries["query_id"], queries["text"], strict=True)
    for at, (query_id, text) in enumerate(both):
        own = {query_id} if about.drop_identical_ids else set()
        docs = [d for d in relevant.get(query_id, ()) if d in row]
        found = [row[d] for d in docs if d not in about.empty and d not in own]
        left_out = [row[d] for d in docs] + [row[d] for d in own.difference(docs) if d in row]
        if found and len(left_out) < len(doc_ids):
            rows.append(at)
            texts.append(text)
            positives.append(np.array(found))
            never.append(np.array(left_out))
        elif query_id in relevant:
            without.append(query_id)
    _told(texts, without, collection)
    among = _candidates(positives, never, len(doc_ids), mined_from)
    return TrainingPairs(texts, positives, never, among, np.array(rows))


def _candidates(
    positives: list[np.ndarray], never: list[np.ndarray], N: int, mined_from: str
) -> Candidates:
    """Return the labelled documents where each query has a negative among them, or all."""
    everything = Candidates(np.arange(N), N)
    if mined_from == ALL:
        return everything
    if labelled := _relevant(positives, never, N):
        return labelled
    say_once("a query has no negative among the labelled documents: negatives are mined from all")
    return everything


def _relevant(positives: list[np.ndarray], never: list[np.ndarray], N: int) -> Candidates | None:
    """Return the documents that are relevant to a query; None where one has no negative there."""
    found = Candidates(np.unique(np.concatenate(positives)), N)
    return found if min(map(found.left, never)) > 0 else None


def _told(texts: list[str], without: list[str], collection: Path) -> None:
    """Say how many queries are left out; raise InputError where none is left."""
    why = "no document in the corpus to learn from, or none to learn against"
    if not texts:
        remedy = "Add documents that are not relevant, or judgements of documents with text"
        raise InputError(collection, f"every training query has {why}", remedy)
    if without:
        say_once(f"{len(without)} training queries are skipped, {without[0]!r} first: {why}")


def used_pairs(collection: Path, settings: HardNegatives) -> TrainingPairs:
    """Return the training queries that a training's batches draw, as `training_pairs` does.

    mined_from "drawn": negatives are documents that are relevant to one of these queries. Where a
    query would have none among them, they are mined from all labelled ones.
    """
    batch, steps, seed = settings.batch, settings.steps, settings.seed
    drawn = settings.mined_from == DRAWN
    pairs = training_pairs(collection, LABELLED if drawn else settings.mined_from)
    n = len(pairs.texts)
    used = pairs.of(np.unique(np.concatenate([shuffled(n, batch, s, seed) for s in range(steps)])))
    among = _relevant(used.positives, used.never, used.among.N) if drawn else None
    return used._replace(among=among or used.among)
