"""A test collection whose documents pass by: checked, and written as `store` reads it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.data.documents import Documents, write_documents
from jointir.data.judged import asked, check_splits
from jointir.data.oddities import NOT_IN_CORPUS, NOTHING_TO_FIND, SAME_ID, Oddities
from jointir.data.splits import take_dev
from jointir.data.store import CHUNK_ROWS, QUERIES, About, write_about


@dataclass(frozen=True)
class Dataset:
    """A test collection. Ids are the dataset's own strings.

    corpus: frames that together have one row a document, columns doc_id, title, text; read once,
        so that they need not be in memory together.
    queries: columns query_id, text, split.
    qrels: columns query_id, doc_id, relevance (an integer; above 0 is relevant), split.
    oddities: what the reader has met so far; the corpus adds to them as it is read.
    document_place: returns where in its source a row of the corpus is.

    Queries and qrels may have one more column, place: where in its source each row is.
    """

    corpus: Iterable[pd.DataFrame]
    queries: pd.DataFrame
    qrels: pd.DataFrame
    oddities: Oddities = field(default_factory=Oddities)
    document_place: Callable[[int], str] | None = None


@dataclass(frozen=True)
class Choices:
    """What the user of a collection decides, whatever its source.

    drop_identical_ids: a document is no answer to the query of the same id, and no negative.
    dev: of train's queries that become dev: a share in (0, 1), a count from 1 on, or 0 for none.
    seed: of the draw of those.
    """

    drop_identical_ids: bool = False
    dev: float = 0
    seed: int = 13


def text_frames(rows: Iterable[tuple[str, ...]], columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yield `rows` as frames of strings: at most CHUNK_ROWS rows are held as Python objects."""
    rows = iter(rows)
    schema = pa.schema([(name, pa.large_string()) for name in columns])
    while chunk := list(islice(rows, CHUNK_ROWS)):
        arrays = [pa.array(values, pa.large_string()) for values in zip(*chunk, strict=True)]
        yield pa.Table.from_arrays(arrays, schema=schema).to_pandas()


def text_frame(rows: Iterable[tuple[str, ...]], columns: list[str]) -> pd.DataFrame:
    """Return `rows` as one frame of strings."""
    frames = list(text_frames(rows, columns))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _placed(frame: pd.DataFrame, where: object) -> pd.DataFrame:
    """Return the frame with the column place, and its rows numbered."""
    frame = frame.reset_index(drop=True)
    return frame if "place" in frame else frame.assign(place=str(where))


def write_dataset(
    data: Dataset, out: Path, where: Path | str, choices: Choices | None = None
) -> None:
    """Write `data` to the folder `out`, mended where that loses nothing, and all else checked.

    What later stages cannot have is left out, and told in one line for each kind, see `oddities`;
    what contradicts itself is refused. Memory does not grow with the documents, but for 8 bytes
    each.

    Raises:
        InputError: no document or no query, a missing value, an id that does not fit into a TREC
            file, two documents, queries or judgements of the same id that differ, a query judged in
            another split than its own, an unknown split, or a split without a relevant document. It
            names the place in the source, or `where`; nothing is written.
    """
    choices = choices or Choices()
    if data.queries.empty:
        raise InputError(where, "there is no query_id", "Add at least one record")
    splits = set(data.queries["split"]) | set(data.qrels["split"])
    frames = _placed(data.queries, where), _placed(data.qrels, where)
    queries, qrels = asked(*frames, data.oddities)
    with atomic(out) as scratch:
        (scratch / "qrels").mkdir(parents=True)
        place = data.document_place or (lambda _: str(where))
        wanted = set(qrels["doc_id"]) | set(queries["query_id"])
        about = write_documents(data.corpus, scratch, where, place, wanted, data.oddities)
        relevant = _relevant(qrels, about, choices)
        if choices.dev:
            queries, qrels, relevant = take_dev(queries, qrels, relevant, choices, where)
            splits.add("dev")
        check_splits(where, splits, relevant)
        _write_judged(queries, qrels, scratch)
        _write_about(qrels, about, choices, scratch)
    data.oddities.add_all(NOTHING_TO_FIND, _without_answer(queries, qrels, relevant))
    data.oddities.add_all(NOT_IN_CORPUS, qrels[~qrels["doc_id"].isin(about.known)])
    if not choices.drop_identical_ids:
        data.oddities.add_all(SAME_ID, queries[queries["query_id"].isin(about.known)])
    data.oddities.tell()


def _relevant(qrels: pd.DataFrame, about: Documents, choices: Choices) -> pd.DataFrame:
    """Return the judgements above 0 that something can be learned from, or measured by."""
    there = qrels["doc_id"].isin(about.known)
    without_text = qrels["split"].eq("train") & qrels["doc_id"].isin(about.empty)
    own = choices.drop_identical_ids & qrels["doc_id"].eq(qrels["query_id"])
    return qrels[there & ~without_text & ~own & qrels["relevance"].gt(0)]


def _without_answer(
    queries: pd.DataFrame, qrels: pd.DataFrame, relevant: pd.DataFrame
) -> pd.DataFrame:
    """Return the dev and test queries that are measured and that no ranking can answer."""
    measured = queries["split"].ne("train") & queries["query_id"].isin(qrels["query_id"])
    return queries[measured & ~queries["query_id"].isin(relevant["query_id"])]


def _write_judged(queries: pd.DataFrame, qrels: pd.DataFrame, folder: Path) -> None:
    queries[QUERIES].to_parquet(folder / "queries.parquet", index=False)
    for split, rows in qrels.groupby("split"):
        lines = (
            f"{q} 0 {d} {r}\n"
            for q, d, r in zip(rows["query_id"], rows["doc_id"], rows["relevance"], strict=True)
        )
        (folder / "qrels" / f"{split}.trec").write_text("".join(lines), encoding="utf-8")


def _write_about(qrels: pd.DataFrame, about: Documents, choices: Choices, folder: Path) -> None:
    empty = about.empty.intersection(qrels.loc[qrels["relevance"].gt(0), "doc_id"])
    write_about(folder, About(choices.drop_identical_ids, frozenset(empty)))
