"""Any ir_datasets id as a dataset: MS MARCO, TREC Deep Learning, and several hundred more."""

import zlib
from collections.abc import Iterator
from typing import Any

from jointir.basics.errors import InputError
from jointir.basics.progress import progress
from jointir.data.dataset import Dataset, text_frame, text_frames
from jointir.data.judged import home_splits
from jointir.data.store import qrels_frame

# A failed download, a damaged or changed file, a full disk, a line that ir_datasets cannot parse.
# requests' errors are OSErrors.
UNREADABLE = (OSError, EOFError, zlib.error, RuntimeError, ValueError)


def _load(dataset_id: str, *entities: str) -> Any:
    """Return the ir_datasets handle of an id that has all of docs, queries, qrels in `entities`."""
    try:
        import ir_datasets  # slow to import, and only this adapter needs it
    except ImportError as e:
        found = "the package ir_datasets is not installed"
        raise InputError(dataset_id, found, "Run pip install ir-datasets") from e
    try:
        dataset = ir_datasets.load(dataset_id)
    except KeyError as e:
        remedy = "Choose an id from https://ir-datasets.com or from `ir_datasets list`"
        raise InputError(dataset_id, "ir_datasets knows no such id", remedy) from e
    for entity in entities:
        if not dataset.has(entity):
            remedy = "Choose a subset that has them; https://ir-datasets.com lists what each has"
            raise InputError(dataset_id, f"the id has no {entity}", remedy)
    return dataset


def _iterate(dataset_id: str, dataset: Any, entity: str) -> Iterator[Any]:
    """Yield the docs, queries or qrels; this is where ir_datasets downloads."""
    try:
        items = getattr(dataset, f"{entity}_iter")()
        total = dataset.metadata().get(entity, {}).get("count")
        yield from progress(items, f"{dataset_id} {entity}", total, entity) if total else items
    except UNREADABLE as e:
        found = f"its {entity} could not be fetched or read ({type(e).__name__}: {e})"
        remedy = (
            "Check the network and the free disk space and run again, or copy the folder "
            "~/.ir_datasets (or $IR_DATASETS_HOME) from a machine that has this dataset"
        )
        raise InputError(dataset_id, found, remedy) from e


def _default_text(record: Any) -> str:
    """Return default_text() or, for a type without it, every text field after the id."""
    if hasattr(record, "default_text"):
        return record.default_text() or ""  # null in some sources
    return " ".join(value for value in record[1:] if isinstance(value, str))


def _document(doc: Any) -> tuple[str, str, str]:
    """Return (doc_id, title, text); title and text together are the type's default text.

    The title is told apart where the default text begins with it. A document that has neither title
    nor body but a url is represented by its url, the only words there are.
    """
    title, text = getattr(doc, "title", None) or "", _default_text(doc)
    if text.startswith(title):
        title, text = title.strip(), text[len(title) :].strip()
    else:
        title, text = "", text.strip()
    if not title and not text:
        text = getattr(doc, "url", None) or ""
    return doc.doc_id, title, text


def _grade(place: str, relevance: object) -> int:
    """Return a grade as an integer.

    Raises:
        InputError: it is none, and no whole number.
    """
    try:
        if (grade := int(relevance)) == float(relevance):
            return grade
    except (TypeError, ValueError, OverflowError):
        pass
    found = f"the grade {str(relevance)[:80]!r} is not an integer"
    raise InputError(place, found, "Choose an id whose judgements are whole numbers")


class _Judged:
    """Judgements and judged queries, collected over splits, with the id and number of each."""

    def __init__(self) -> None:
        self.qrels: list[tuple[str, str, int, str, str]] = []
        self.queries: list[tuple[str, str, str, str]] = []

    def add(self, dataset_id: str, split: str) -> None:
        """Add what one ir_datasets id has for a split.

        Raises:
            InputError: unknown id, failed download, or a grade that is no whole number.
        """
        dataset = _load(dataset_id, "queries", "qrels")
        judged = set()
        for number, qrel in enumerate(_iterate(dataset_id, dataset, "qrels"), 1):
            place = f"{dataset_id}, judgement {number}"
            grade = _grade(place, qrel.relevance)
            self.qrels.append((qrel.query_id, qrel.doc_id, grade, split, place))
            judged.add(qrel.query_id)
        for number, query in enumerate(_iterate(dataset_id, dataset, "queries"), 1):
            if query.query_id in judged:
                place = f"{dataset_id}, query {number}"
                text = _default_text(query).strip()
                self.queries.append((query.query_id, text, split, place))


def read_ir_datasets(corpus_id: str, splits: dict[str, str]) -> Dataset:
    """Return the documents of `corpus_id` with the judged queries of each split.

    `splits` maps train, dev and test to an ir_datasets id, or to several joined by "+". Ids stay
    ir_datasets' own. The first use of an id downloads it.

    Raises:
        InputError: an id is unknown or has no documents, queries or judgements; its data cannot be
            fetched or read; or a query is in two splits. It names the id. What is wrong with the
            documents is told when the corpus is read.
    """
    corpus = _load(corpus_id, "docs")
    judged = _Judged()
    for split, ids in splits.items():  # before the documents: small, so a mistake shows early
        for dataset_id in ids.split("+"):
            judged.add(dataset_id.strip(), split)
    qrels = qrels_frame(judged.qrels, ["query_id", "doc_id", "relevance", "split", "place"])
    home_splits(qrels)
    documents = (_document(doc) for doc in _iterate(corpus_id, corpus, "docs"))
    return Dataset(
        corpus=text_frames(documents, ["doc_id", "title", "text"]),
        queries=text_frame(judged.queries, ["query_id", "text", "split", "place"]),
        qrels=qrels,
        document_place=lambda row: f"{corpus_id}, document {row + 1}",
    )
