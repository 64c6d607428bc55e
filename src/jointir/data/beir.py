"""A BEIR-format folder: corpus.jsonl, queries.jsonl and qrels/{split}.tsv, each maybe .gz."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.data.dataset import Dataset, text_frame, text_frames
from jointir.data.judged import home_splits
from jointir.data.oddities import INTEGER, NOT_READ, Oddities
from jointir.data.store import SPLITS, numbered_lines, qrels_frame

HEADER = ("query-id", "corpus-id", "score")
SPELLINGS = (  # of the header's columns, "_" and spaces read as "-"
    {"query-id", "queryid", "qid", "query"},
    {"corpus-id", "corpusid", "doc-id", "docid", "did", "document-id", "passage-id", "pid"},
    {"score", "relevance", "grade", "label", "rel"},
)
WHOLE = re.compile(r"(-?[0-9]{1,9})(\.0*)?")  # a grade, perhaps written as a float
FILES = {"train": ("train",), "dev": ("dev", "validation", "val"), "test": ("test",)}


def _plain_or_gz(path: Path) -> Path:
    """Return the path, or that of its compressed form.

    Raises:
        InputError: both are there; which one is meant cannot be told.
    """
    packed = path.with_name(f"{path.name}.gz")
    if packed.is_file() and path.is_file():
        raise InputError(path.parent, f"holds {path.name} and {packed.name}", "Keep one of them")
    return packed if packed.is_file() else path


def _id(where: str, record: dict, oddities: Oddities) -> None:
    """Read an id that is a JSON integer as text."""
    if type(record.get("_id")) is int:  # not a bool
        record["_id"] = str(record["_id"])
        oddities.add(INTEGER, where)


def _field(where: str, record: dict, name: str, remedy: str) -> str:
    if name not in record:
        raise InputError(where, f"the record has no {name!r}", remedy)
    value = record[name]
    if not isinstance(value, str):
        found = f"{name!r} is {str(value)[:80]}, a {type(value).__name__} and not a string"
        raise InputError(where, found, remedy)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as e:  # JSON may spell half of a surrogate pair, which is no text
        found = f"{name!r} holds {value[e.start]!a}, which is not Unicode text"
        raise InputError(where, found, "Replace the character") from e
    return value


def _records(
    path: Path, fields: tuple[str, ...], oddities: Oddities
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield file:line and `fields` of each line's JSON object.

    A title may be missing; title and text may be null, which is no text.
    """
    remedy = 'Write {"_id": "...", "title": "...", "text": "..."} on each line, title optional'
    for where, line in numbered_lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise InputError(where, f"{line[:80]!r} is not JSON ({e})", remedy) from e
        if not isinstance(record, dict):
            raise InputError(where, f"{line[:80]!r} is not a JSON object", remedy)
        record.setdefault("title", "")
        for name in ("title", "text"):
            if name in record and record[name] is None:
                record[name] = ""
        _id(where, record, oddities)
        yield where, tuple(_field(where, record, name, remedy) for name in fields)


def _is_header(fields: list[str]) -> bool:
    names = [re.sub(r"[_ ]", "-", f.lower()) for f in fields]
    return len(names) == 3 and all(n in s for n, s in zip(names, SPELLINGS, strict=True))


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield (file:line, query_id, doc_id, grade) of a BEIR qrels file.

    Its first line is the header; where it is a judgement, it is read as one.
    """
    remedy = "Write query-id, corpus-id and an integer score, with one tab between them"
    for number, (where, line) in enumerate(numbered_lines(path)):
        fields = [f.strip() for f in line.split("\t")]
        if number == 0 and _is_header(fields):
            continue
        if len(re.split(r"\s+", line.strip())) == 4 and len(fields) in (1, 4):
            found = f"{line[:80]!r} has 4 columns, not 3, as TREC's qrels have"
            raise InputError(where, found, f"{remedy}: TREC's second column is left out")
        if len(fields) != 3:
            raise InputError(where, f"{line[:80]!r} has {len(fields)} columns, not 3", remedy)
        grade = WHOLE.fullmatch(fields[2])
        if number == 0 and not grade:
            found = f"{line[:80]!r} is neither the header nor a judgement"
            raise InputError(where, found, f"Begin the file with {', '.join(HEADER)}")
        if not grade:
            raise InputError(where, f"the grade {fields[2][:80]!r} is not an integer", remedy)
        yield where, fields[0], fields[1], int(grade[1])


def _qrels_files(folder: Path, oddities: Oddities) -> dict[str, Path]:
    """Return the file of each split that has one; count the files of no split."""
    present: dict[str, Path] = {}
    for split, names in FILES.items():
        paths = [_plain_or_gz(folder / f"{name}.tsv") for name in names]
        paths = [path for path in paths if path.is_file()]
        if len(paths) > 1:
            found = f"{paths[0].name} and {paths[1].name} are both {split}"
            raise InputError(folder, found, "Keep one of them")
        if paths:
            present[split] = paths[0]
    if not present:
        remedy = f"Add at least one of {', '.join(f'{s}.tsv' for s in SPLITS)}"
        raise InputError(folder, "there are no judgements", remedy)
    read = {path.name.removesuffix(".gz") for path in present.values()}
    for path in sorted(folder.iterdir()):
        if path.name.removesuffix(".gz") not in read and not path.name.startswith("."):
            oddities.add(NOT_READ, str(path))
    return present


def read_qrels(folder: Path, oddities: Oddities) -> pd.DataFrame:
    """Return the judgements of all splits, with their places."""
    rows: list[tuple[str, str, int, str, str]] = []
    for split, path in _qrels_files(folder, oddities).items():
        before = len(rows)
        for where, query_id, doc_id, grade in _judgements(path):
            rows.append((query_id, doc_id, grade, split, where))
        if len(rows) == before:
            raise InputError(path, "the file holds no judgement", "Add judgements or delete it")
    return qrels_frame(rows, ["query_id", "doc_id", "relevance", "split", "place"])


def read_beir(folder: Path) -> Dataset:
    """Return the test collection of a BEIR-format folder; every file may be compressed, as .gz.

    A query belongs to the split whose qrels name it; a query that no qrels name is left out. dev is
    dev.tsv, validation.tsv or val.tsv. Ids and judgements are checked against each other by
    `write_dataset`, which reads the corpus.

    Raises:
        InputError: a file is missing or is there plain and compressed, or a line is not UTF-8, not
            JSON, not a record of strings, or not a judgement, or a query is in two splits; it names
            file and line. What is wrong with a document is told when the corpus is read.
    """
    oddities = Oddities()
    qrels = read_qrels(folder / "qrels", oddities)
    home = home_splits(qrels)
    queries = (
        (query_id, text, home[query_id], place)
        for place, (query_id, text) in _records(
            _plain_or_gz(folder / "queries.jsonl"), ("_id", "text"), oddities
        )
        if query_id in home
    )
    corpus = _plain_or_gz(folder / "corpus.jsonl")
    documents = (fields for _, fields in _records(corpus, ("_id", "title", "text"), oddities))
    return Dataset(
        corpus=text_frames(documents, ["doc_id", "title", "text"]),
        queries=text_frame(queries, ["query_id", "text", "split", "place"]),
        qrels=qrels,
        oddities=oddities,
        document_place=lambda row: next(islice(numbered_lines(corpus), row, None))[0],
    )
