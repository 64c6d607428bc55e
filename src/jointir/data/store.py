"""A dataset on disk: corpus.parquet, queries.parquet, qrels/{split}.trec, maybe about.json."""

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import read_json, sha256, write_json
from jointir.basics.readers import of_types, parquet_batches, parquet_rows, read_parquet

SPLITS = ("train", "dev", "test")
# not white space, and no part of an id: trec_eval's C takes NUL for the end of a string
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x9f]")
GRADE = re.compile(r"-?[0-9]{1,9}")  # what every TREC tool reads as an integer
CHUNK_ROWS = 100_000
CORPUS, QUERIES = ["doc_id", "title", "text"], ["query_id", "text", "split"]
ABOUT = "about.json"


@dataclass(frozen=True)
class About:
    """What a collection says of itself.

    drop_identical_ids: a document is no answer to the query of the same id, and no negative.
    empty: the ids of relevant documents without text.
    """

    drop_identical_ids: bool = False
    empty: frozenset[str] = frozenset()


def write_about(folder: Path, about: About) -> None:
    """Write what `read_about` reads; no file where there is nothing to say."""
    if about != About():
        facts = {"drop_identical_ids": about.drop_identical_ids, "empty": sorted(about.empty)}
        write_json(folder / ABOUT, facts)


def read_about(folder: Path) -> About:
    """Return what a collection says of itself.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / ABOUT
    if not path.is_file():
        return About()
    facts = read_json(path)
    drop, empty = facts.get("drop_identical_ids"), facts.get("empty")
    if not isinstance(drop, bool) or not isinstance(empty, list):
        raise InputError(path, "is no description of a collection", "Rerun the corpus stage")
    return About(drop, frozenset(empty))


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ("path:number", line without its end) for each line of a text file that is not blank.

    A name that ends in .gz is read as gzip. A byte-order mark before the first line is no text.

    Raises:
        InputError: there is no such file, a line is not UTF-8, or the gzip file is damaged.
    """
    if not path.is_file():
        raise InputError(path, "there is no such file", "Put it there or correct the path")
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as f:
            for number, raw in enumerate(f, 1):
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                line = raw.decode("utf-8").rstrip("\r\n")
                if line.strip():
                    yield f"{path}:{number}", line
    except UnicodeDecodeError as e:
        found = f"byte {e.object[e.start]:#04x} is not UTF-8"
        remedy = "Convert the file to UTF-8, for example with iconv"
        raise InputError(f"{path}:{number}", found, remedy) from e
    except (gzip.BadGzipFile, EOFError, zlib.error) as e:
        found = f"the gzip file is damaged after line {number} ({e})"
        raise InputError(path, found, "Download or compress it again") from e


def qrels_frame(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    """Return judgements as a frame: `relevance` is int64, every other column is text."""
    types = {name: "int64" if name == "relevance" else "str" for name in columns}
    return pd.DataFrame(rows, columns=columns).astype(types)


def read_corpus(folder: Path) -> pd.DataFrame:
    """Return the columns doc_id, title, text in corpus order.

    Raises:
        InputError: there is no corpus.parquet, or it is damaged.
    """
    path = folder / "corpus.parquet"
    return of_types(path, read_parquet(path, CORPUS), **dict.fromkeys(CORPUS, "text"))


def count_documents(folder: Path) -> int:
    """Return N.

    Raises:
        InputError: there is no corpus.parquet, or it is damaged.
    """
    return parquet_rows(folder / "corpus.parquet")


def read_doc_ids(folder: Path) -> pd.Series:
    """Return the doc_id of every document in corpus order; no text comes into memory.

    Raises:
        InputError: there is no corpus.parquet, or it is damaged.
    """
    path = folder / "corpus.parquet"
    return of_types(path, read_parquet(path, ["doc_id"], only=True), doc_id="text")["doc_id"]


def read_documents(folder: Path, begin: int, end: int) -> pd.DataFrame:
    """Return rows `begin` to `end` of the corpus, as `read_corpus` does; no others are kept.

    Raises:
        InputError: there is no corpus.parquet, or it is damaged.
    """
    at, parts = 0, []
    for batch in parquet_batches(folder / "corpus.parquet", CORPUS, CHUNK_ROWS):
        parts.append(batch.iloc[max(0, begin - at) : max(0, end - at)])
        at += len(batch)
        if at >= end:
            break
    whole = pd.concat(parts, ignore_index=True)
    return of_types(folder / "corpus.parquet", whole, **dict.fromkeys(CORPUS, "text"))


def document_texts(corpus: pd.DataFrame) -> list[str]:
    """Return the text of each document as encoders read it: title, a space, text."""
    return (corpus["title"] + " " + corpus["text"]).str.strip().tolist()


def read_queries(folder: Path, split: str | None = None) -> pd.DataFrame:
    """Return the columns query_id, text, split, of all splits or one.

    Raises:
        InputError: there is no queries.parquet, or it is damaged.
    """
    path = folder / "queries.parquet"
    queries = of_types(path, read_parquet(path, QUERIES), **dict.fromkeys(QUERIES, "text"))
    if split is None:
        return queries
    return queries[queries["split"].eq(split)].reset_index(drop=True)


def read_qrels(path: Path) -> pd.DataFrame:
    """Read a TREC qrels file into the columns query_id, doc_id, relevance.

    Raises:
        InputError: there is no such file, a line is not UTF-8, has not four fields or holds a
            control character, or its grade is not an integer.
    """
    rows = []
    for where, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 4 or not GRADE.fullmatch(fields[3]) or CONTROL.search(line):
            remedy = "Write 'query_id 0 doc_id grade' on each line, without control characters"
            raise InputError(where, f"{line[:80]!r} is no TREC judgement", remedy)
        rows.append((fields[0], fields[2], int(fields[3])))
    return qrels_frame(rows, ["query_id", "doc_id", "relevance"])


def labelled(folder: Path) -> set[str]:
    """Return the doc_ids that are relevant to a train query.

    Raises:
        InputError: the train judgements are not there, or malformed.
    """
    train = read_qrels(folder / "qrels" / "train.trec")
    return set(train["doc_id"][train["relevance"].gt(0)])


def own_rows(folder: Path, query_ids: list[str]) -> np.ndarray:
    """Return int64[Q]: the row of the document that is no answer to each query, -1 for none."""
    if not read_about(folder).drop_identical_ids:
        return np.full(len(query_ids), -1)
    row = {d: i for i, d in enumerate(read_doc_ids(folder))}
    return np.array([row.get(q, -1) for q in query_ids])


def content_hash(folder: Path) -> str:
    """Return a SHA-256 over the dataset's values, whatever the parquet version that stored them."""
    digest = hashlib.sha256()
    corpus = parquet_batches(folder / "corpus.parquet", CORPUS, CHUNK_ROWS)
    for frame in chain(corpus, [read_queries(folder)]):
        for row in frame.itertuples(index=False):
            digest.update("\x1f".join(row).encode() + b"\x1e")
    digest.update(sha256(folder / "qrels").encode())
    return digest.hexdigest()
