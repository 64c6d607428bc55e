"""The on-disk dataset: what is written is read again, and bad input leaves nothing behind."""

import gzip
import hashlib
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from faults.harm import no_space
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.basics.readers import parquet_batches
from jointir.data.dataset import Dataset, text_frame, write_dataset
from jointir.data.store import (
    CORPUS,
    content_hash,
    count_documents,
    numbered_lines,
    read_corpus,
    read_doc_ids,
    read_documents,
    read_qrels,
    read_queries,
)


def dataset() -> Dataset:
    return Dataset(
        corpus=[
            pd.DataFrame(
                {"doc_id": ["d1", "d2", "ä3"], "title": ["A", "", "Ç"], "text": ["x", "y\nz", ""]}
            )
        ],
        queries=pd.DataFrame(
            {"query_id": ["q1", "q2"], "text": ["who", "whom?"], "split": ["train", "dev"]}
        ),
        qrels=pd.DataFrame(
            {
                "query_id": ["q1", "q1", "q2"],
                "doc_id": ["d1", "ä3", "d2"],
                "relevance": [1, 0, 3],
                "split": ["train", "train", "dev"],
            }
        ),
    )


def changed(table: str, row: int, column: str, value: object) -> Dataset:
    data = dataset()
    frame = pd.concat(data.corpus) if table == "corpus" else getattr(data, table)
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    # the documents in two frames: rows are counted over both
    parts = [frame.iloc[:1], frame.iloc[1:].reset_index(drop=True)]
    return replace(data, **{table: parts if table == "corpus" else frame})


def test_what_is_written_is_read_again(tmp_path: Path):
    data, out = dataset(), tmp_path / "data" / "tiny"
    write_dataset(data, out, "source")
    pd.testing.assert_frame_equal(read_corpus(out), data.corpus[0])
    pd.testing.assert_frame_equal(read_queries(out), data.queries)
    assert read_queries(out, "dev").to_dict("list") == {
        "query_id": ["q2"],
        "text": ["whom?"],
        "split": ["dev"],
    }
    train = (out / "qrels" / "train.trec").read_text(encoding="utf-8")
    assert train == "q1 0 d1 1\nq1 0 ä3 0\n"
    assert read_qrels(out / "qrels" / "train.trec").values.tolist() == [
        ["q1", "d1", 1],
        ["q1", "ä3", 0],
    ]
    assert sorted(p.name for p in (out / "qrels").iterdir()) == ["dev.trec", "train.trec"]


def test_control_characters_in_texts_are_kept(tmp_path: Path):
    """They are the source's; no line of a TREC file holds a text."""
    text = "a\0b \x1b[1m\x7f"
    data = dataset()
    data.corpus[0].loc[1, ["title", "text"]] = text, text
    data.queries.loc[1, "text"] = text
    write_dataset(data, tmp_path / "out", "source")
    assert read_corpus(tmp_path / "out").values.tolist()[1] == ["d2", text, text]
    assert read_documents(tmp_path / "out", 1, 2)["text"].tolist() == [text]
    assert read_queries(tmp_path / "out", "dev")["text"].tolist() == [text]
    other = dataset()
    other.corpus[0].loc[1, ["title", "text"]] = text, text
    other.queries.loc[1, "text"] = "a"  # another text that has the same beginning
    write_dataset(other, tmp_path / "other", "source")
    assert content_hash(tmp_path / "out") != content_hash(tmp_path / "other")


def test_the_hash_follows_the_values(tmp_path: Path):
    write_dataset(dataset(), tmp_path / "a", "source")
    write_dataset(dataset(), tmp_path / "b", "source")
    write_dataset(changed("corpus", 1, "text", "other"), tmp_path / "c", "source")
    write_dataset(changed("qrels", 2, "relevance", 2), tmp_path / "d", "source")
    a, b, c, d = (content_hash(tmp_path / name) for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


BAD = {
    "duplicate doc_id": (("corpus", 2, "doc_id", "d1"), "doc_id 'd1' appears twice", "unique"),
    "duplicate query_id": (("queries", 1, "query_id", "q1"), "'q1' appears twice", "unique"),
    "empty doc_id": (("corpus", 1, "doc_id", ""), "doc_id '' is empty", "TREC file"),
    "empty query_id": (("queries", 1, "query_id", " "), "query_id ' ' is empty", "TREC file"),
    "space in an id": (("corpus", 0, "doc_id", "d 1"), "holds white space (row 0)", "TREC file"),
    "unicode space": (("corpus", 0, "doc_id", "d\u2028"), "holds white space", "TREC file"),
    "NUL": (
        ("corpus", 1, "doc_id", "d\0"),
        r"doc_id 'd\x00' holds a control character (row 1)",
        "TREC file",
    ),
    "NUL in a query_id": (
        ("queries", 1, "query_id", "q2\0"),
        r"query_id 'q2\x00' holds a control",
        "TREC file",
    ),
    "a judged NUL": (
        ("qrels", 1, "doc_id", "\0d1"),
        r"doc_id '\x00d1' holds a control character",
        "TREC file",
    ),
    "escape": (
        ("corpus", 0, "doc_id", "\x1b[1m"),
        r"doc_id '\x1b[1m' holds a control",
        "TREC file",
    ),
    "delete": (("corpus", 0, "doc_id", "d\x7f"), r"doc_id 'd\x7f' holds a control", "TREC file"),
    "C1 control": (
        ("corpus", 0, "doc_id", "d\x90"),
        r"doc_id 'd\x90' holds a control",
        "TREC file",
    ),
    "next line": (
        ("corpus", 0, "doc_id", "d\x85"),
        r"doc_id 'd\x85' is empty or holds white",
        "TREC",
    ),
    "empty query": (("queries", 0, "text", ""), "'train' has no relevant", "drop the split"),
    "missing text": (("corpus", 1, "text", None), "text has no value in row 1", "Fill"),
    "unknown doc": (("qrels", 0, "doc_id", "nope"), "'train' has no relevant", "drop the split"),
    "unknown query": (("qrels", 0, "query_id", "no"), "'train' has no relevant", "drop the split"),
    "space in a judged id": (("qrels", 1, "doc_id", "d 9"), "doc_id 'd 9' is empty or", "TREC"),
    "judged twice": (("qrels", 1, "doc_id", "d1"), "('q1', 'd1') is judged twice", "Keep one"),
    "judged elsewhere": (("queries", 1, "split", "train"), "judged in split 'dev'", "in one split"),
    "in two splits": (("qrels", 0, "split", "dev"), "is in 'dev' and in 'train'", "in one split"),
    "nothing relevant": (("qrels", 2, "relevance", 0), "'dev' has no relevant", "drop the split"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_source_value_and_remedy_and_writes_nothing(case: str, tmp_path: Path):
    change, found, remedy = BAD[case]
    with pytest.raises(InputError) as e:
        write_dataset(changed(*change), tmp_path / "out", "my/source")
    assert str(e.value).startswith("my/source: ")
    assert found in str(e.value)
    assert remedy in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_split_is_named(tmp_path: Path):
    data = dataset()
    data = replace(
        data, queries=data.queries.replace("dev", "valid"), qrels=data.qrels.replace("dev", "valid")
    )
    with pytest.raises(InputError, match=r"split 'valid' is unknown. Use one of \('train'"):
        write_dataset(data, tmp_path / "out", "source")


@pytest.mark.parametrize("table", ["corpus", "queries"])
def test_an_empty_table_is_refused(table: str, tmp_path: Path):
    data = dataset()
    empty = getattr(data, table)[:0]  # no frame of documents, or no row of queries
    data = replace(data, **{table: empty})
    with pytest.raises(InputError, match=r"there is no (doc|query)_id"):
        write_dataset(data, tmp_path / "out", "source")


def test_bad_input_leaves_the_dataset_before_it_as_it_was(tmp_path: Path):
    write_dataset(dataset(), tmp_path / "out", "source")
    before = content_hash(tmp_path / "out")
    with pytest.raises(InputError):
        write_dataset(changed("queries", 0, "text", ""), tmp_path / "out", "source")
    assert content_hash(tmp_path / "out") == before
    write_dataset(changed("corpus", 0, "text", "new"), tmp_path / "out", "source")
    assert read_corpus(tmp_path / "out")["text"][0] == "new"


@pytest.mark.parametrize(
    "line",
    [
        "q1 0 d1",
        "q1 0 d\0 1",
        "q\x7f 0 d1 1",
        "q1 0 d1 1 x",
        "q1 0 d1 1.0",
        "q1 0 d1 --1",
        "q1 0 d1 ²",
        "q1 0 d1 " + "9" * 5000,
    ],
)
def test_a_bad_judgement_names_its_line(line: str, tmp_path: Path):
    path = tmp_path / "dev.trec"
    path.write_text(f"q0 0 d0 1\n\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as e:
        read_qrels(path)
    assert str(e.value).startswith(f"{path}:3: {line[:80]!r} is no TREC judgement")
    assert "query_id 0 doc_id grade" in str(e.value)


def test_qrels_that_are_missing_or_not_utf8(tmp_path: Path):
    path = tmp_path / "dev.trec"
    with pytest.raises(InputError, match=r"dev\.trec: there is no such file\. Put it there"):
        read_qrels(path)
    path.write_bytes(b"q0 0 d0 1\nq1 0 d\xe9 1\n")
    with pytest.raises(InputError, match=r"dev\.trec:2: byte 0xe9 is not UTF-8\. Convert"):
        read_qrels(path)


def test_no_judgements_still_have_their_types(tmp_path: Path):
    path = tmp_path / "dev.trec"
    path.touch()
    qrels = read_qrels(path)
    assert list(qrels.columns) == ["query_id", "doc_id", "relevance"]
    assert qrels["relevance"].dtype == "int64"


@given(st.binary())
@example(b"q 0 d --1\n")
@example("q 0 d ²\n".encode())
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_arbitrary_bytes_are_qrels_or_an_input_error(tmp_path: Path, content: bytes):
    path = tmp_path / "any.trec"
    path.write_bytes(content)
    try:
        assert list(read_qrels(path).columns) == ["query_id", "doc_id", "relevance"]
    except InputError as e:
        assert str(path) in str(e)


def test_a_damaged_gzip_file_is_named(tmp_path: Path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"a\nb\n" * 1000)[:-9])
    with pytest.raises(InputError, match=r"a\.gz: the gzip file is damaged"):
        list(numbered_lines(path))
    path.write_bytes(b"plain")
    with pytest.raises(InputError, match="Download or compress it again"):
        list(numbered_lines(path))


def test_chunks_make_no_difference_to_a_frame(monkeypatch: pytest.MonkeyPatch):
    rows = [(str(i), "x" * i) for i in range(10)]
    monkeypatch.setattr("jointir.data.dataset.CHUNK_ROWS", 3)
    expected = pd.DataFrame(rows, columns=["a", "b"])
    pd.testing.assert_frame_equal(text_frame(rows, ["a", "b"]), expected)
    assert list(text_frame([], ["a", "b"]).columns) == ["a", "b"]


def test_of_the_documents_only_one_frame_is_in_memory(tmp_path: Path):
    corpus, alive = pd.concat(dataset().corpus), []

    def frames() -> Iterator[pd.DataFrame]:
        for i in range(3):
            frame = corpus.iloc[[i]].copy()
            alive.append(weakref.ref(frame))
            assert sum(ref() is not None for ref in alive) <= 2  # and the one that is made
            yield frame

    write_dataset(replace(dataset(), corpus=frames()), tmp_path / "out", "source")
    pd.testing.assert_frame_equal(read_corpus(tmp_path / "out"), corpus)


def test_of_a_corpus_that_is_read_by_and_by_nothing_is_kept(tmp_path: Path):
    made = np.random.default_rng(0)
    rows = [(f"x{i}", "", made.bytes(50_000).hex()) for i in range(100)]  # cannot be compressed
    corpus = text_frame(rows, ["doc_id", "title", "text"])
    write_dataset(
        replace(dataset(), corpus=[*dataset().corpus, *(corpus[i : i + 1] for i in range(100))]),
        tmp_path / "out",
        "source",
    )
    del rows, corpus
    before, most = pa.total_allocated_bytes(), 0
    for _ in parquet_batches(tmp_path / "out" / "corpus.parquet", CORPUS, 1):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 1_000_000 < (tmp_path / "out" / "corpus.parquet").stat().st_size / 5


@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from([1, 3, 5, 100]))
@settings(suppress_health_check=list(HealthCheck))
def test_a_part_of_the_corpus_is_that_part_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: int, length: int, chunk: int
):
    rows = [(f"d{i}", "ä" * (i % 3), "x" * i) for i in range(12)]
    corpus = text_frame(rows, ["doc_id", "title", "text"])
    corpus.to_parquet(tmp_path / "corpus.parquet", index=False)
    monkeypatch.setattr("jointir.data.store.CHUNK_ROWS", chunk)
    whole, end = read_corpus(tmp_path), min(12, begin + length)
    part = read_documents(tmp_path, begin, end)
    pd.testing.assert_frame_equal(part, whole.iloc[begin:end].reset_index(drop=True))
    assert count_documents(tmp_path) == 12
    pd.testing.assert_series_equal(read_doc_ids(tmp_path), whole["doc_id"])


def test_the_hash_of_the_content_is_that_of_its_rows_whatever_the_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_dataset(dataset(), tmp_path / "c", "source")
    digest = hashlib.sha256()
    for frame in (read_corpus(tmp_path / "c"), read_queries(tmp_path / "c")):
        for row in frame.itertuples(index=False):
            digest.update("\x1f".join(row).encode() + b"\x1e")
    digest.update(sha256(tmp_path / "c" / "qrels").encode())
    for chunk in (1, 2, 100):
        monkeypatch.setattr("jointir.data.store.CHUNK_ROWS", chunk)
        assert content_hash(tmp_path / "c") == digest.hexdigest()


def test_a_full_disk_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pd.DataFrame, "to_parquet", no_space)
    with pytest.raises(InputError) as e:
        write_dataset(dataset(), tmp_path / "out", "source")
    assert str(e.value) == (
        f"{tmp_path / 'out'}: the disk is full. Free some space, then run the same command again"
    )
    assert list(tmp_path.iterdir()) == []
