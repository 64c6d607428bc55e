"""A BEIR-format folder: corpus.jsonl, queries.jsonl and qrels/{split}.tsv."""

import json
from collections.abc import Iterator
from pathlib import Path

from jointir.data.dataset import Dataset, text_frame, text_frames
from jointir.data.store import GRADE, SPLITS, numbered_lines, qrels_frame
from jointir.errors import InputError

HEADER = ["query-id", "corpus-id", "score"]


def _jsonl(folder: Path, name: str) -> Path:
    plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"
    return packed if packed.is_file() and not plain.is_file() else plain


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


def _records(path: Path, fields: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield `fields` of each line's JSON object; a title may be missing or null."""
    remedy = 'Write {"_id": "...", "title": "...", "text": "..."} on each line, title optional'
    for where, line in numbered_lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise InputError(where, f"{line[:80]!r} is not JSON ({e})", remedy) from e
        if not isinstance(record, dict):
            raise InputError(where, f"{line[:80]!r} is not a JSON object", remedy)
        if record.get("title") is None:
            record["title"] = ""
        yield tuple(_field(where, record, name, remedy) for name in fields)


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield (file:line, query_id, doc_id, grade) of a BEIR qrels file."""
    remedy = "Write query-id, corpus-id and an integer score, with one tab between them"
    lines = numbered_lines(path)
    where, header = next(lines, (f"{path}:1", ""))
    if header.split("\t") != HEADER:
        found = f"{header[:80]!r} is not the header"
        raise InputError(where, found, "Begin the file with query-id, corpus-id, score")
    for where, line in lines:
        fields = line.split("\t")
        if len(fields) != 3:
            raise InputError(where, f"{line[:80]!r} has {len(fields)} columns, not 3", remedy)
        if not GRADE.fullmatch(fields[2]):
            raise InputError(where, f"the grade {fields[2][:80]!r} is not an integer", remedy)
        yield where, fields[0], fields[1], int(fields[2])


def _read_qrels(folder: Path) -> tuple[list[tuple[str, str, int, str]], dict[str, str]]:
    """Return the judgements with their split, and the split of each query that they name."""
    rows: list[tuple[str, str, int, str]] = []
    split_of: dict[str, str] = {}
    paths = {split: folder / "qrels" / f"{split}.tsv" for split in SPLITS}
    present = {split: path for split, path in paths.items() if path.exists()}
    if not present:
        remedy = f"Add at least one of {', '.join(path.name for path in paths.values())}"
        raise InputError(folder / "qrels", "there are no judgements", remedy)
    for split, path in present.items():
        before = len(rows)
        for where, query_id, doc_id, grade in _judgements(path):
            if split_of.setdefault(query_id, split) != split:
                found = f"query {query_id!r} is in {split_of[query_id]!r} and in {split!r}"
                raise InputError(where, found, "Keep each query in one split")
            rows.append((query_id, doc_id, grade, split))
        if len(rows) == before:
            raise InputError(path, "the file holds no judgement", "Add judgements or delete it")
    return rows, split_of


def read_beir(folder: Path) -> Dataset:
    """Return the test collection of a BEIR-format folder; corpus and queries may be .jsonl.gz.

    A query belongs to the split whose qrels name it; a query that no qrels name is left out. Ids
    and judgements are checked against each other by `write_dataset`, which reads the corpus.

    Raises:
        InputError: a file is missing, or a line is not UTF-8, not JSON, not a record of strings, or
            not a judgement, or a query is in two splits; it names file and line. What is wrong with
            a document is told when the corpus is read.
    """
    rows, split_of = _read_qrels(folder)
    queries = (
        (query_id, text, split_of[query_id])
        for query_id, text in _records(_jsonl(folder, "queries"), ("_id", "text"))
        if query_id in split_of
    )
    corpus = _records(_jsonl(folder, "corpus"), ("_id", "title", "text"))
    return Dataset(
        corpus=text_frames(corpus, ["doc_id", "title", "text"]),
        queries=text_frame(queries, ["query_id", "text", "split"]),
        qrels=qrels_frame(rows, ["query_id", "doc_id", "relevance", "split"]),
    )
