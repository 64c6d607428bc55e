"""A dataset on disk: corpus.parquet, queries.parquet and qrels/{split}.trec, read and validated."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from jointir.errors import InputError
from jointir.files import atomic, sha256
from jointir.readers import read_parquet

SPLITS = ("train", "dev", "test")
GRADE = re.compile(r"-?[0-9]{1,9}")  # what every TREC tool reads as an integer
CHUNK_ROWS = 100_000
CORPUS, QUERIES = ["doc_id", "title", "text"], ["query_id", "text", "split"]


@dataclass(frozen=True)
class Dataset:
    """A test collection. Ids are the dataset's own strings.

    corpus: columns doc_id, title, text; one row a document.
    queries: columns query_id, text, split.
    qrels: columns query_id, doc_id, relevance (an integer; above 0 is relevant), split.
    """

    corpus: pd.DataFrame
    queries: pd.DataFrame
    qrels: pd.DataFrame


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ("path:number", line without its end) for each line of a text file that is not blank.

    A name that ends in .gz is read as gzip.

    Raises:
        InputError: there is no such file, a line is not UTF-8, or the gzip file is damaged.
    """
    if not path.is_file():
        raise InputError(path, "there is no such file", "Put it there or correct the path")
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as f:
            for number, raw in enumerate(f, 1):
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


def text_frame(rows: Iterable[tuple[str, ...]], columns: list[str]) -> pd.DataFrame:
    """Return `rows` as a frame of strings.

    Built in chunks, so that at most CHUNK_ROWS rows are ever held as Python objects: a large corpus
    is then in memory once, at the size of its text.
    """
    rows, chunks = iter(rows), []
    schema = pa.schema([(name, pa.large_string()) for name in columns])
    while chunk := list(islice(rows, CHUNK_ROWS)):
        arrays = [pa.array(values, pa.large_string()) for values in zip(*chunk, strict=True)]
        chunks.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(chunks or [schema.empty_table()]).to_pandas()


def qrels_frame(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    """Return judgements as a frame: `relevance` is int64, every other column is text."""
    types = {name: "int64" if name == "relevance" else "str" for name in columns}
    return pd.DataFrame(rows, columns=columns).astype(types)


def _check_ids(where: Path | str, kind: str, ids: pd.Series) -> None:
    if ids.empty:
        raise InputError(where, f"there is no {kind}", "Add at least one record")
    # str.split knows all the white space that would break a line of a run or qrels file
    bad = ids[ids.map(lambda i: i.split() != [i]).astype(bool)]
    if len(bad):
        found = f"{kind} {bad.iloc[0]!r} is empty or holds white space (row {bad.index[0]})"
        raise InputError(where, found, "Give every record an id that fits in a TREC file")
    twice = ids[ids.duplicated()]
    if len(twice):
        found = f"{kind} {twice.iloc[0]!r} appears twice (row {twice.index[0]})"
        raise InputError(where, found, "Make the ids unique")


def _blank(text: pd.Series) -> pd.Series:
    return text.eq("") | text.str.isspace()


def _check_text(where: Path | str, kind: str, ids: pd.Series, blank: pd.Series) -> None:
    if blank.any():
        found = f"{kind} {ids[blank].iloc[0]!r} has no text"
        raise InputError(where, found, "Remove it or give it text")


def _check_values(where: Path | str, frame: pd.DataFrame) -> None:
    for column in frame.columns:
        missing = frame.index[frame[column].isna()]
        if len(missing):
            found = f"{column} has no value in row {missing[0]}"
            raise InputError(where, found, "Fill it, a title with empty text")


def _check_qrels(where: Path | str, data: Dataset) -> None:
    qrels = data.qrels
    for column, known in (
        ("doc_id", data.corpus["doc_id"]),
        ("query_id", data.queries["query_id"]),
    ):
        # Series.isin makes an Arrow scalar of every known id, and takes six times as long
        unknown = set(qrels[column]).difference(known)
        if unknown:
            found = f"a judgement names {column} {min(unknown)!r}, which does not exist"
            raise InputError(where, found, "Remove the judgement or add what it names")
    twice = qrels[qrels.duplicated(["query_id", "doc_id"])]
    if len(twice):
        pair = (twice["query_id"].iloc[0], twice["doc_id"].iloc[0])
        raise InputError(where, f"the pair {pair} is judged twice", "Keep one judgement")
    home = qrels["query_id"].map(data.queries.set_index("query_id")["split"])
    astray = qrels[qrels["split"].ne(home)]
    if len(astray):
        query_id, split = astray["query_id"].iloc[0], astray["split"].iloc[0]
        found = f"query {query_id!r} is judged in split {split!r} but belongs to another"
        raise InputError(where, found, "Keep a query and its judgements in one split")


def validate(data: Dataset, where: Path | str) -> None:
    """Check everything that later stages rely on.

    Raises:
        InputError: no document or no query, a missing value, a duplicate or empty id, an empty
            text, a judgement for an unknown document or query or in another split than its query,
            a pair judged twice, an unknown split, or a split without a relevant document.
    """
    for frame in (data.corpus, data.queries, data.qrels):
        _check_values(where, frame)
    doc_ids, query_ids = data.corpus["doc_id"], data.queries["query_id"]
    _check_ids(where, "doc_id", doc_ids)
    _check_ids(where, "query_id", query_ids)
    _check_text(
        where, "doc_id", doc_ids, _blank(data.corpus["title"]) & _blank(data.corpus["text"])
    )
    _check_text(where, "query_id", query_ids, _blank(data.queries["text"]))
    _check_qrels(where, data)
    for split in sorted(set(data.queries["split"])):
        if split not in SPLITS:
            raise InputError(where, f"split {split!r} is unknown", f"Use one of {SPLITS}")
        if not (data.qrels["split"].eq(split) & data.qrels["relevance"].gt(0)).any():
            found = f"split {split!r} has no relevant document"
            raise InputError(where, found, "Add judgements above 0 or drop the split")


def write_dataset(data: Dataset, out: Path, where: Path | str) -> None:
    """Validate `data` (errors name `where`, its source) and write it to the folder `out`."""
    validate(data, where)
    with atomic(out) as scratch:
        (scratch / "qrels").mkdir(parents=True)
        data.corpus[["doc_id", "title", "text"]].to_parquet(scratch / "corpus.parquet", index=False)
        data.queries[["query_id", "text", "split"]].to_parquet(
            scratch / "queries.parquet", index=False
        )
        for split, rows in data.qrels.groupby("split"):
            lines = (
                f"{q} 0 {d} {r}\n"
                for q, d, r in zip(rows["query_id"], rows["doc_id"], rows["relevance"], strict=True)
            )
            (scratch / "qrels" / f"{split}.trec").write_text("".join(lines), encoding="utf-8")


def read_corpus(folder: Path) -> pd.DataFrame:
    """Return the columns doc_id, title, text in corpus order.

    Raises:
        InputError: there is no corpus.parquet, or it is damaged.
    """
    return read_parquet(folder / "corpus.parquet", CORPUS)


def document_texts(corpus: pd.DataFrame) -> list[str]:
    """Return the text of each document as encoders read it: title, a space, text."""
    return (corpus["title"] + " " + corpus["text"]).str.strip().tolist()


def read_queries(folder: Path, split: str | None = None) -> pd.DataFrame:
    """Return the columns query_id, text, split, of all splits or one.

    Raises:
        InputError: there is no queries.parquet, or it is damaged.
    """
    queries = read_parquet(folder / "queries.parquet", QUERIES)
    if split is None:
        return queries
    return queries[queries["split"].eq(split)].reset_index(drop=True)


def read_qrels(path: Path) -> pd.DataFrame:
    """Read a TREC qrels file into the columns query_id, doc_id, relevance.

    Raises:
        InputError: there is no such file, a line is not UTF-8 or has not four fields, or its grade
            is not an integer.
    """
    rows = []
    for where, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 4 or not GRADE.fullmatch(fields[3]):
            remedy = "Write 'query_id 0 doc_id grade' on each line"
            raise InputError(where, f"{line[:80]!r} is no TREC judgement", remedy)
        rows.append((fields[0], fields[2], int(fields[3])))
    return qrels_frame(rows, ["query_id", "doc_id", "relevance"])


def content_hash(folder: Path) -> str:
    """Return a SHA-256 over the dataset's values, whatever the parquet version that stored them."""
    digest = hashlib.sha256()
    for frame in (read_corpus(folder), read_queries(folder)):
        for row in frame.itertuples(index=False):
            digest.update("\x1f".join(row).encode() + b"\x1e")
    digest.update(sha256(folder / "qrels").encode())
    return digest.hexdigest()
