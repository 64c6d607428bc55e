"""The `measure-ids` stage: how good generated identifiers are, in both of the papers' readings.

"correct id": a relevant document counts as found where its identifier was generated, at the
identifier's rank; documents that share it cost nothing (ASI++, footnote 6).
"expectation": documents are retrieved in the identifiers' order, those that share one in random
order; the mean over that order, computed exactly. It is the one that counts: with one identifier
for all documents the first reading is perfect.

Hybrid answers are documents, so that there is nothing to expect: "documents", as of any ranking.
"""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import read_parquet
from jointir.data.per_query import per_query
from jointir.data.store import read_about, read_qrels
from jointir.data.trec import read_run
from jointir.generative.ids import keys

CUTS = (1, 5, 10)
RR_CUT = 10
MOST = 1000  # documents of a query, as in the paper: the others are cut off at random
VALUES = ["split", "decoding", "query_id", "measure", "value"]
OF_DOCUMENTS = ["R@1", "R@5", "R@10", "R@100", "RR@10"]  # R@100: what the wider beam found


def first_of(n: int, r: int, most: int) -> np.ndarray:
    """Return P(first relevant at m), m = 1..min(n, most): r relevant among n in random order."""
    m = np.arange(1, min(n, most) + 1)
    # P(none in the first m) falls by a factor (n - r - m + 1) / (n - m + 1) with each m
    none = np.cumprod(np.clip((n - r - m + 1) / (n - m + 1), 0, None))
    return np.concatenate([[1.0], none[:-1]]) - none


def expected_recall(sizes: list[int], relevant: list[int], total: int, cut: int) -> float:
    """Return E[R@cut] of groups in order: `sizes`, and how many of the `total` relevant in each.

    The paper cuts a query's documents at MOST; no cut-off here reaches that far.
    """
    found, before = 0.0, 0
    for n, r in zip(sizes, relevant, strict=True):
        found += r * min(1.0, max(0, cut - before) / n)
        before += n
    return found / total


def expected_rr(sizes: list[int], relevant: list[int], cut: int) -> float:
    """Return E[RR@cut]: only the first group with a relevant document can hold the first one."""
    before = 0
    for n, r in zip(sizes, relevant, strict=True):
        if r:
            p = first_of(n, r, max(0, cut - before))
            return float((p / (before + np.arange(1, len(p) + 1))).sum())
        before += n
    return 0.0


def query_values(
    generated: list[str], group: Counter, wanted: Counter, own: str = ""
) -> dict[str, float]:
    """Return every measure of one query, and how many documents its identifiers give it.

    generated: identifiers, best first; group: documents an identifier; wanted: relevant documents
    an identifier, under "" those that have none. own: the identifier of the query's own document,
    which is no answer; "" where there is none.
    """
    total = wanted.total()
    size_of = {g: group[g] - (g == own) for g in generated}
    existing = [g for g in generated if size_of[g]]
    sizes, relevant = [size_of[g] for g in existing], [wanted[g] for g in existing]
    values = {"documents a query": float(min(sum(sizes), MOST))}
    for cut in CUTS:
        values[f"R@{cut} correct id"] = sum(wanted[g] for g in generated[:cut]) / total
        values[f"R@{cut} expectation"] = expected_recall(sizes, relevant, total, cut)
    hits = [rank for rank, g in enumerate(generated[:RR_CUT], 1) if wanted[g]]
    values[f"RR@{RR_CUT} correct id"] = 1 / hits[0] if hits else 0.0
    values[f"RR@{RR_CUT} expectation"] = expected_rr(sizes, relevant, RR_CUT)
    return values


def measure_ids(answers: Path, runs: list[Path], ids: Path, collection: Path, out: Path) -> None:
    """Measure what `generate` wrote; write split, decoding, query_id, measure, value as parquet.

    runs: the hybrid answers, files named {split}.trec.gz. A judged query without an answer scores
    0.

    Raises:
        InputError: no query of a split is judged in the collection.
    """
    documents = read_parquet(ids, ["doc_id"])
    identifier = dict(zip(documents["doc_id"], keys(documents), strict=True))
    own = identifier if read_about(collection).drop_identical_ids else {}
    parts = [_of_identifiers(answers, identifier, own, collection)]
    parts += [_of_documents(path, collection) for path in runs]
    with atomic(out) as scratch:
        pd.concat(parts)[VALUES].to_parquet(scratch, index=False)


def _of_identifiers(
    answers: Path, identifier: dict[str, str], own: dict[str, str], collection: Path
) -> pd.DataFrame:
    """Return VALUES of the decodings whose answers are identifiers."""
    group = Counter(identifier.values())
    found = read_parquet(answers, ["split", "decoding", "query_id", "rank"])
    found = found.sort_values(["query_id", "rank"])
    found["key"] = keys(found)
    rows = []
    for (split, decoding), answered in found.groupby(["split", "decoding"], sort=True):
        lists = answered.groupby("query_id")["key"].agg(list).to_dict()
        wanted = _wanted(_qrels(collection, split), identifier, own)
        _check_judged(answers, split, set(lists) & set(wanted), collection)
        rows += [
            (split, decoding, query, measure, value)
            for query in sorted(wanted)
            for measure, value in query_values(
                lists.get(query, []), group, wanted[query], own.get(query, "")
            ).items()
        ]
    return pd.DataFrame(rows, columns=VALUES)


def _of_documents(run: Path, collection: Path) -> pd.DataFrame:
    """Return VALUES of a split's hybrid answers, measured as those of any dense retriever."""
    split = run.name.removesuffix(".trec.gz")
    ranked, judged = read_run(run), read_qrels(_qrels(collection, split))
    _check_judged(run, split, set(ranked) & set(judged["query_id"]), collection)
    values = per_query(ranked, judged, OF_DOCUMENTS, _qrels(collection, split))
    values["measure"] += " documents"
    return values.assign(split=split, decoding="hybrid")


def _qrels(collection: Path, split: str) -> Path:
    return collection / "qrels" / f"{split}.trec"


def _check_judged(where: Path, split: str, judged: set[str], collection: Path) -> None:
    if not judged:
        remedy = "Generate answers for the queries of this collection"
        raise InputError(where, f"no query of {split!r} is judged in {collection}", remedy)


def _wanted(qrels: Path, identifier: dict[str, str], own: dict[str, str]) -> dict[str, Counter]:
    """Return for each judged query how many relevant documents each identifier has.

    Under "" are those that nothing can find, as trec_eval counts them: not in the corpus, or a
    query's own document, where `own` holds it.
    """
    judged = read_qrels(qrels)
    judged = judged[judged["relevance"] > 0]
    wanted: dict[str, Counter] = defaultdict(Counter)
    for query, doc in judged[["query_id", "doc_id"]].itertuples(index=False):
        findable = not (doc == query and doc in own)
        wanted[query][identifier.get(doc, "") if findable else ""] += 1
    return wanted
