"""TREC runs, compressed: written so that every evaluation tool sees the same order."""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.data.store import CONTROL


def untie(scores: np.ndarray) -> np.ndarray:
    """Return float32 scores (Q, k), strictly decreasing in each row, for a (Q, k) sorted downwards.

    Evaluation tools break ties differently (some by document id, some by position), so that equal
    scores would give one run several values. A tied score becomes the next smaller float32.
    """
    fixed = np.array(scores, dtype=np.float32)  # (Q, k), a copy
    for rank in range(1, fixed.shape[1]):
        below = np.nextafter(fixed[:, rank - 1], np.float32(-np.inf))  # (Q,)
        np.minimum(fixed[:, rank], below, out=fixed[:, rank])
    return fixed


def _checked(out: Path, query_ids: Sequence[str], doc_ids, scores) -> tuple[np.ndarray, np.ndarray]:
    remedy = "Pass one document id and one score for each query and rank"
    ids = np.asarray(doc_ids, dtype=object)  # (Q, k)
    values = np.asarray(scores, dtype=np.float32)  # (Q, k)
    if ids.ndim != 2 or ids.shape != values.shape or len(ids) != len(query_ids):
        found = f"{len(query_ids)} queries, ids of shape {ids.shape}, scores {values.shape}"
        raise InputError(out, found, remedy)
    if len(set(query_ids)) != len(query_ids):
        raise InputError(out, "a query id appears twice", "Give each query one row")
    wrong = np.argwhere(~np.isfinite(values) & (ids != ""))
    if len(wrong):
        q, rank = wrong[0]
        found = f"the score of {ids[q, rank]!r} for query {query_ids[q]!r} is {values[q, rank]}"
        raise InputError(out, found, "Check the embeddings for NaN and overflow")
    return ids, np.where(ids != "", values, -np.inf).astype(np.float32)


def write_run(
    out: Path,
    query_ids: Sequence[str],
    doc_ids: np.ndarray | Sequence[Sequence[str]],
    scores: np.ndarray,
    tag: str,
) -> None:
    """Write a gzip-compressed TREC run, the same bytes for the same input.

    Args:
        out: the .trec.gz file.
        query_ids: Q strings.
        doc_ids: (Q, k) strings; an empty one means that the search found fewer than k, and its
            score is ignored.
        scores: (Q, k), larger is better. Rows need not be sorted; ties keep the order given.
        tag: the system's name.

    Raises:
        InputError: shapes that differ, NaN or inf, a query twice, a document twice for one query.
    """
    ids, values = _checked(out, query_ids, doc_ids, scores)
    order = np.argsort(-values, axis=1, kind="stable")
    ids = np.take_along_axis(ids, order, axis=1)
    values = untie(np.take_along_axis(values, order, axis=1))
    blocks = []
    for query, row, row_values in zip(query_ids, ids.tolist(), values.tolist(), strict=True):
        found = [doc for doc in row if doc != ""]
        if len(set(found)) != len(found):
            where = f"{out}, query {query!r}"
            raise InputError(where, "a document appears twice", "Remove duplicates in the search")
        # nine significant digits tell any two float32 apart
        blocks += [
            f"{query} Q0 {doc} {rank} {score:.9g} {tag}\n"
            for rank, (doc, score) in enumerate(zip(found, row_values, strict=False), 1)
        ]
    text = "".join(blocks).encode()
    with atomic(out) as scratch:  # level 1: 5 times faster than the default, a little larger
        scratch.write_bytes(gzip.compress(text, compresslevel=1, mtime=0))


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """Read a TREC run, compressed or not, into {query_id: {doc_id: score}} in the file's order.

    Raises:
        InputError: a line has not six fields, holds a control character, its score is not a finite
            number, or it repeats a document for a query; or the file is not text.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    run: dict[str, dict[str, float]] = {}
    remedy = "Write 'query_id Q0 doc_id rank score tag' on each line, a document once a query"
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    query, _, doc, _, score, _ = line.split()
                    value = float(score)
                except ValueError:
                    value = math.nan
                if (
                    not math.isfinite(value)
                    or CONTROL.search(line)
                    or doc in run.setdefault(query, {})
                ):
                    raise InputError(f"{path}:{number}", f"bad line {line[:80]!r}", remedy)
                run[query][doc] = value
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise InputError(path, f"not a TREC run ({e})", "Delete it and rerun the search") from e
    return run
