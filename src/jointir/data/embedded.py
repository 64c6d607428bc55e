"""The corpus stage of a dataset that is given as vectors: there is no text, and perhaps no label.

Without judgements, those of a query are the exact nearest documents by inner product of the vectors
as they are. What is measured then is how much of exact search an index keeps, not whether the
documents help.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.exact import best_rows
from jointir.basics.files import write_json
from jointir.basics.progress import progress, say
from jointir.basics.readers import read_npy
from jointir.data.beir import read_qrels as read_tsv
from jointir.data.corpus import build_collection
from jointir.data.dataset import Choices, Dataset
from jointir.data.oddities import SAME_ID, Oddities
from jointir.data.splits import read_dev, split_queries
from jointir.data.store import CHUNK_ROWS, SPLITS, qrels_frame, read_qrels, read_queries
from jointir.data.vectors import Vectors, open_vectors, write_matrix, write_rows

NEAREST = 10  # documents that are relevant to a query without judgements
SHARE = "0.1"  # of the queries that become dev, and test, where nobody says how many
QUERIES = 4096  # ranked at a time
PLACED = ["query_id", "doc_id", "relevance", "split", "place"]


class _Said(Oddities):
    """Oddities without those that row numbers in place of ids make."""

    def __init__(self, named: bool):
        super().__init__()
        self.named = named

    def add_all(self, kind: str, rows: pd.DataFrame) -> None:
        if self.named or kind != SAME_ID:
            super().add_all(kind, rows)


def nearest(
    queries: np.ndarray, docs: np.ndarray, k: int, own: np.ndarray | None = None
) -> np.ndarray:
    """Return int64[Q, k], the rows of the highest inner products, best first, -1 for no more.

    queries: float[Q, D]. docs: float[N, D], of which a part is in memory at a time. own: int64[Q],
    a row that a query does not find, -1 for none.
    """
    wide = min(k + (own is not None), len(docs))
    found = np.full((len(queries), k), -1)
    for begin in progress(range(0, len(queries), QUERIES), "nearest documents", unit="blocks"):
        some = np.asarray(queries[begin : begin + QUERIES], np.float32)
        for i, ranked in enumerate(best_rows(some, docs, wide), begin):
            kept = ranked if own is None else ranked[ranked != own[i]]
            found[i, : len(kept[:k])] = kept[:k]
    return found


def corpus_vectors(
    docs: Path,
    queries: Path,
    out: Path,
    out_docs: Path,
    out_queries: Path,
    out_train: Path,
    qrels: Path | None = None,
    dev: str = "",
    test: str = "",
    seed: int = 13,
    drop_identical_ids: bool = False,
) -> None:
    """Make a collection, and its matrices, of vectors of documents and queries.

    Args:
        docs: of N documents: .npy or parquet, ids as `open_vectors` has them.
        queries: of queries, likewise.
        out: the collection; the text of a document or a query is its id.
        out_docs: float[N, D]. A JSON is beside each matrix.
        out_queries: the vectors of the dev and test queries, in the collection's order.
        out_train: those of the train queries, which are all others.
        qrels: a folder of {train,dev,test}, .tsv as BEIR has them or .trec. Without one, the
            nearest documents are the relevant ones; of train's queries, too, without train's file.
        dev: a share (0.1) or a number of the queries that become dev, drawn by a hash of `seed` and
            id: a tenth by default. With `qrels`: of train's, none by default.
        test: likewise; with `qrels`, whose test is taken, it is refused.
        seed: of the draw.
        drop_identical_ids: queries are documents, and no answers to themselves.

    Raises:
        InputError: a file is of another kind or damaged, holds numbers that are not finite, has ids
            twice or not one for each vector, a query of zeros, documents that are all the same, or
            another dimension than the other; or judgements that do not fit.
    """
    if qrels and test:
        raise InputError("splits.test", f"{test}, and {qrels} has a test split", "Drop one of both")
    documents, asked, vectors = _opened(docs, queries)
    write_matrix(documents, out_docs)
    matrix = read_npy(out_docs, mapped=True)
    _check_differ(documents, matrix[0])
    choices = Choices(drop_identical_ids, read_dev(dev or 0) if qrels else 0, seed)
    oddities = _Said(documents.named and asked.named)
    judge = _Nearest(documents, matrix, asked, vectors, drop_identical_ids)
    if qrels:
        judged, home = _given(qrels, asked, judge, oddities)
    else:
        judged, home = _drawn(asked, judge, (dev or SHARE, test or SHARE), seed)
    source = Dataset(_frames(documents), _queries(asked, home), judged, oddities, documents.place)
    build_collection(source, out, docs, "", choices)
    _write_queries(out, asked, vectors, out_queries, out_train)
    for path, own in ((out_docs, documents), (out_queries, asked), (out_train, asked)):
        kind = "document" if own is documents else "query"
        write_json(path.with_suffix(".json"), {"dim": own.D, "dtype": own.dtype, "kind": kind})


def _opened(docs: Path, queries: Path) -> tuple[Vectors, Vectors, np.ndarray]:
    """Return the vectors of documents and queries, and the queries' as float[Q, D]."""
    documents, asked = open_vectors(docs), open_vectors(queries)
    if documents.D != asked.D:
        found = f"has {asked.D} dimensions, {docs} {documents.D}"
        raise InputError(queries, found, "Take both from the same model")
    vectors = np.concatenate(list(asked.chunks()))
    zero = ~vectors.any(axis=1)
    if zero.any():
        found = f"row {zero.argmax()} is all zeros, with which every document scores 0"
        raise InputError(queries, found, "Ask the API for it again, or leave it out with its id")
    return documents, asked, vectors


def _check_differ(documents: Vectors, first: np.ndarray) -> None:
    if documents.N > 1 and all((some == first).all() for some in documents.chunks()):
        found = f"all {documents.N} rows are the same, so that no document ranks before another"
        raise InputError(documents.path, found, "Check what the API was asked for")


class _Nearest:
    """Judges queries by their exact nearest documents."""

    def __init__(
        self,
        documents: Vectors,
        docs: np.ndarray,
        asked: Vectors,
        queries: np.ndarray,
        drop_identical_ids: bool,
    ):
        self.documents, self.docs, self.asked, self.queries = documents, docs, asked, queries
        row = {d: i for i, d in enumerate(documents.ids)} if drop_identical_ids else {}
        self.own = np.array([row.get(q, -1) for q in asked.ids]) if drop_identical_ids else None

    def __call__(self, rows: np.ndarray, split: list[str]) -> pd.DataFrame:
        """Return the judgements of the queries int64[n], each in its split."""
        own = None if self.own is None else self.own[rows]
        found = nearest(self.queries[rows], self.docs, NEAREST, own)
        say(
            f"{len(rows)} queries are judged by their exact nearest {NEAREST} documents: what is"
            " measured on them is how much of exact search an index keeps"
        )
        names, ids = self.documents.ids, self.asked.ids
        judged = [
            (ids[query], names[doc], 1, own_split, self.asked.place(int(query)))
            for query, docs, own_split in zip(rows, found, split, strict=True)
            for doc in docs
            if doc >= 0
        ]
        return qrels_frame(judged, PLACED)


def _drawn(
    asked: Vectors, judge: _Nearest, shares: tuple[str, str], seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Return the judgements of all queries, and the split of each, drawn by a hash of its id."""
    ids = pd.DataFrame({"query_id": asked.ids}).assign(relevance=1)
    numbers = [_number(share, asked.N) for share in shares]
    try:
        home = split_queries(ids, ids, *numbers, seed).tolist()
    except InputError as e:
        found = f"holds {asked.N} queries, too few for {numbers[0]} of dev and {numbers[1]} of test"
        raise InputError(asked.path, found, "Give more, or lower splits.dev and splits.test") from e
    return judge(np.arange(asked.N), home), home


def _number(share: str, n: int) -> int:
    value = read_dev(share)
    return int(value) if value >= 1 else max(1, round(value * n))


def _given(
    folder: Path, asked: Vectors, judge: _Nearest, oddities: Oddities
) -> tuple[pd.DataFrame, list[str]]:
    """Return the judgements of a folder, and each query's split: train where no file names it."""
    judged = _read_folder(folder, oddities)
    split = dict(zip(judged["query_id"], judged["split"], strict=True))
    home = [split.get(query_id, "train") for query_id in asked.ids]
    if "train" not in set(judged["split"]):
        rows = np.flatnonzero([s == "train" for s in home])
        if not len(rows):
            remedy = "Add queries that no file judges: the training needs no judgement of them"
            raise InputError(asked.path, "every query is of dev or test, none is left", remedy)
        judged = pd.concat([judged, judge(rows, ["train"] * len(rows))], ignore_index=True)
    return judged, home


def _read_folder(folder: Path, oddities: Oddities) -> pd.DataFrame:
    trec = {s: folder / f"{s}.trec" for s in SPLITS if (folder / f"{s}.trec").is_file()}
    if not trec:
        return read_tsv(folder, oddities)
    if other := sorted(folder.glob("*.tsv*")):
        found = f"holds {other[0].name} and {next(iter(trec.values())).name}"
        raise InputError(folder, found, "Keep files of one format")
    read = [read_qrels(path).assign(split=s, place=str(path)) for s, path in trec.items()]
    return pd.concat(read, ignore_index=True)[PLACED]


def _frames(documents: Vectors) -> Iterator[pd.DataFrame]:
    for at in range(0, documents.N, CHUNK_ROWS):
        ids = documents.ids[at : at + CHUNK_ROWS]
        yield pd.DataFrame({"doc_id": ids, "title": "", "text": ids}, dtype="str")


def _queries(asked: Vectors, home: list[str]) -> pd.DataFrame:
    own = {"query_id": asked.ids, "text": asked.ids, "split": home}
    return pd.DataFrame(own | {"place": [asked.place(i) for i in range(asked.N)]}, dtype="str")


def _write_queries(
    collection: Path, asked: Vectors, vectors: np.ndarray, out_queries: Path, out_train: Path
) -> None:
    """Write the matrices of dev and test and of train, in the order that the collection has."""
    row = {query_id: i for i, query_id in enumerate(asked.ids)}
    made = read_queries(collection)
    rows, train = made["query_id"].map(row).to_numpy(np.int64), made["split"].eq("train")
    write_rows(vectors, rows[~train], out_queries)
    write_rows(vectors, rows[train], out_train)
