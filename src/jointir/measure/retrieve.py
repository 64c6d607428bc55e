"""The search stage: a system's run for every split, and what its index weighs."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.progress import say
from jointir.data.store import read_doc_ids, read_queries
from jointir.data.trec import write_run
from jointir.encode.matrix import read_query_matrix
from jointir.search.ann.registry import open_index
from jointir.search.identical import top
from jointir.search.searcher import Searcher


def retrieve(
    collection: Path,
    index: Path,
    queries: Path,
    out: list[Path],
    meta: Path,
    dataset: str,
    system: str,
    setting: str,
    seed: int = 0,
    k: int = 100,
    value: int = 0,
    threads: int = 1,
) -> None:
    """Search `index` for the embedded `queries` and write a run for each split named in `out`.

    queries: the matrix of the `embed` stage over the dev and test queries. out: files named
    {split}.trec.gz. meta: a JSON of what the results table tells about the system, bytes included.
    value: of the index's search parameter (`Searcher.search_parameter`), where it has one.

    Raises:
        InputError: the index's dimension or number of documents does not fit the queries or the
            collection, or the matrix holds other queries than the splits do.
    """
    found = open_index(index)
    matrix = read_query_matrix(queries)
    splits = [p.name.removesuffix(".trec.gz") for p in out]
    topics = read_queries(collection)
    topics = topics[topics["split"].isin(splits)].reset_index(drop=True)
    doc_ids = read_doc_ids(collection)
    _check_fit(index, found, matrix, queries, len(topics), len(doc_ids))
    for split, path in zip(splits, out, strict=True):
        rows = np.flatnonzero(topics["split"].eq(split))
        query_ids = topics["query_id"][rows].tolist()
        answers = partial(_answers, found, matrix[rows], doc_ids, value, threads)
        write_run(path, query_ids, *top(collection, query_ids, k, answers), system)
        say(f"{system} {setting}: {split}, {len(rows)} queries")
    facts = {"dataset": dataset, "system": system, "setting": setting, "seed": seed}
    size = found.size()
    facts |= {"bytes_per_doc": bytes_per_doc(size, found.N), "n_docs": found.N, "dim": found.D}
    write_json(meta, facts | {"bytes": size})


def _answers(
    index: Searcher, queries: np.ndarray, doc_ids: pd.Series, value: int, threads: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return str[Q, k] document ids, "" where the search found fewer, and float32[Q, k] scores."""
    scores, hits = index.search(queries, min(k, index.N), value, threads)  # [Q, k], [Q, k]
    names = doc_ids.take(hits.ravel()).to_numpy(object).reshape(hits.shape)
    return np.where(hits >= 0, names, ""), scores  # short answers are padded with -1


def bytes_per_doc(size: dict[str, int], N: int) -> int:
    """Return the bytes of a document's code; of an index without codes, its share of the whole."""
    return (size["codes"] or sum(size.values())) // N


def _check_fit(
    path: Path, index: Searcher, queries: np.ndarray, where: Path, n_queries: int, n_docs: int
) -> None:
    if index.D != queries.shape[1]:
        found = f"has {index.D} dimensions, the queries in {where} {queries.shape[1]}"
        raise InputError(path, found, "Use an index and queries of the same encoder")
    if index.N != n_docs:
        found = f"holds {index.N} documents, the collection {n_docs}"
        raise InputError(path, found, "Rebuild the index over this collection")
    if len(queries) != n_queries:
        found = f"holds {len(queries)} queries, the splits {n_queries}"
        raise InputError(where, found, "Embed the queries of these splits again")
