"""BEIR folders: values, and every bad line named with its file, its value and the remedy."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointir.basics.errors import InputError
from jointir.data.beir import read_beir
from jointir.data.dataset import Dataset, write_dataset
from jointir.data.store import read_corpus

HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "beir"
    (out / "qrels").mkdir(parents=True)
    (out / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "Größe", "text": "one"}\n'
        '{"_id": "d2", "text": "two", "metadata": {"url": 3}}\n'
        '{"_id": "d3", "title": null, "text": "three"}\n',
        encoding="utf-8",
    )
    (out / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n'
        '{"_id": "q3", "text": "judged nowhere"}\n'
    )
    (out / "qrels" / "train.tsv").write_text(f"{HEADER}q1\td1\t2\nq1\td2\t0\n")
    (out / "qrels" / "test.tsv").write_text(f"{HEADER}q2\td3\t1\r\n")
    return out


def read(folder: Path) -> tuple[Dataset, pd.DataFrame]:
    """Return what `read_beir` does, and its documents in one frame."""
    data = read_beir(folder)
    return data, pd.concat(data.corpus, ignore_index=True)


def rows(frame: pd.DataFrame) -> list[list]:
    """Return the rows without their places."""
    return frame.drop(columns="place").values.tolist()


def test_values(folder: Path):
    data, corpus = read(folder)
    assert corpus.values.tolist() == [
        ["d1", "Größe", "one"],
        ["d2", "", "two"],
        ["d3", "", "three"],
    ]
    assert rows(data.queries) == [["q1", "first", "train"], ["q2", "second", "test"]]
    assert rows(data.qrels) == [
        ["q1", "d1", 2, "train"],
        ["q1", "d2", 0, "train"],
        ["q2", "d3", 1, "test"],
    ]
    assert list(corpus.columns) == ["doc_id", "title", "text"]
    assert list(data.queries.columns) == ["query_id", "text", "split", "place"]
    assert list(data.qrels.columns) == ["query_id", "doc_id", "relevance", "split", "place"]
    assert data.queries["place"].tolist() == [f"{folder}/queries.jsonl:{n}" for n in (1, 2)]
    assert data.qrels["place"].tolist() == [
        *(f"{folder}/qrels/train.tsv:{n}" for n in (2, 3)),
        f"{folder}/qrels/test.tsv:2",
    ]
    assert data.document_place(2) == f"{folder}/corpus.jsonl:3"


def test_it_can_be_written(folder: Path, tmp_path: Path):
    write_dataset(read_beir(folder), tmp_path / "out", folder)
    assert list(read_corpus(tmp_path / "out")["doc_id"]) == ["d1", "d2", "d3"]


def test_gzip_reads_the_same(folder: Path):
    plain, corpus = read(folder)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"):
        path = folder / name
        (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed, unpacked = read(folder)
    assert unpacked.equals(corpus)
    assert rows(packed.queries) == rows(plain.queries)
    assert rows(packed.qrels) == rows(plain.qrels)
    assert packed.qrels["place"][0] == f"{folder}/qrels/train.tsv.gz:2"


JSONL = {
    "not UTF-8": (b'{"_id": "d9", "text": "\xe9"}', "byte 0xe9 is not UTF-8", "Convert"),
    "not JSON": (b"{oops", "'{oops' is not JSON", "Write {"),
    "too deep": (b"[" * 100_000, "is not JSON", "Write {"),
    "not an object": (b"[1, 2]", "'[1, 2]' is not a JSON object", "Write {"),
    "no _id": (b'{"text": "x"}', "the record has no '_id'", "Write {"),
    "no text": (b'{"_id": "d9"}', "the record has no 'text'", "Write {"),
    "a fraction": (b'{"_id": 9.5, "text": "x"}', "'_id' is 9.5, a float and not a", "Write {"),
    "a truth": (b'{"_id": true, "text": "x"}', "'_id' is True, a bool and not a", "Write {"),
    "null _id": (b'{"_id": null, "text": "x"}', "'_id' is None, a NoneType", "Write {"),
    "a list": (b'{"_id": "d9", "text": ["x"]}', "'text' is ['x'], a list", "Write {"),
    "half a pair": (b'{"_id": "d9", "text": "a\\ud800"}', r"'text' holds '\ud800'", "Replace"),
}


@pytest.mark.parametrize("case", JSONL)
@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_bad_record_is_named(case: str, name: str, folder: Path):
    line, found, remedy = JSONL[case]
    path = folder / name
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InputError) as e:
        read(folder)
    assert str(e.value).startswith(f"{path}:4: ")
    assert found in str(e.value)
    assert remedy in str(e.value)
    assert len(str(e.value)) < 500


def test_a_title_that_is_no_string_is_named(folder: Path):
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": ["a"], "text": "x"}\n')
    with pytest.raises(InputError, match=r"corpus\.jsonl:1: 'title' is \['a'\], a list"):
        read(folder)


QRELS = {
    "two columns": (b"q1\td1", "'q1\\td1' has 2 columns, not 3", "one tab"),
    "spaces": (b"q1 d1 1", "has 1 columns, not 3", "one tab"),
    "TREC": (b"q1\t0\td1\t1", "has 4 columns, not 3, as TREC's", "second column is left out"),
    "TREC with spaces": (b"q1 0 d1 1", "has 4 columns, not 3, as TREC's", "second column"),
    "fraction": (b"q1\td1\t0.5", "the grade '0.5' is not an integer", "integer score"),
    "word": (b"q1\td1\tyes", "the grade 'yes' is not an integer", "integer score"),
    "two splits": (b"q2\td1\t1", "query 'q2' is in 'train' and in 'test'", "in one split"),
    "not UTF-8": (b"q1\t\xff\t1", "byte 0xff is not UTF-8", "Convert"),
}


@pytest.mark.parametrize("case", QRELS)
def test_a_bad_judgement_is_named(case: str, folder: Path):
    line, found, remedy = QRELS[case]
    path = folder / "qrels" / "train.tsv"
    path.write_bytes(HEADER.encode() + b"q1\td1\t1\n" + line + b"\n")
    if case == "two splits":  # found when the later file repeats the query
        path, number = folder / "qrels" / "test.tsv", 2
    else:
        number = 3
    with pytest.raises(InputError) as e:
        read(folder)
    assert str(e.value).startswith(f"{path}:{number}: ")
    assert found in str(e.value)
    assert remedy in str(e.value)


def test_qrels_without_header_or_lines(folder: Path):
    path = folder / "qrels" / "train.tsv"
    path.write_text("q1\td1\thigh\n")
    with pytest.raises(InputError, match=r"train\.tsv:1: .* neither the header nor .* Begin the"):
        read(folder)
    path.write_text(HEADER)
    with pytest.raises(InputError, match=r"train\.tsv: the file holds no judgement\. Add"):
        read(folder)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(name: str, folder: Path):
    (folder / name).unlink()
    with pytest.raises(InputError) as e:
        read(folder)
    assert str(e.value).startswith(f"{folder / name}: there is no such file. Put it there")


def test_no_qrels_at_all(tmp_path: Path):
    with pytest.raises(InputError, match=r"qrels: there are no judgements\. Add at least one of"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv"]
)
def test_a_file_that_is_there_in_two_forms_is_refused(name: str, folder: Path):
    path = folder / name
    (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError) as e:
        read(folder)
    found = f"holds {path.name} and {path.name}.gz. Keep one of them"
    assert str(e.value) == f"{path.parent}: {found}"


WRITTEN = {  # the file that a line is added to, its number, and what is found there
    "duplicate": ("corpus.jsonl", 4, '{"_id": "d1", "text": "x"}', "doc_id 'd1' appears twice"),
    "empty id": ("corpus.jsonl", 4, '{"_id": "", "text": "x"}', "doc_id '' is empty"),
    "NUL": (
        "corpus.jsonl",
        4,
        r'{"_id": "d\u0000", "text": "x"}',
        r"doc_id 'd\x00' holds a control",
    ),
    "judged NUL": ("qrels/test.tsv", 3, "q2\td\0\t1", r"doc_id 'd\x00' holds a control character"),
    "same query": ("queries.jsonl", 4, '{"_id": "q1", "text": "x"}', "query_id 'q1' appears twice"),
    "other grade": (
        "qrels/train.tsv",
        4,
        "q1\td1\t1",
        "('q1', 'd1') is judged twice, with 1 and 2",
    ),
    "space in an id": (
        "qrels/test.tsv",
        3,
        "q2\td 9\t1",
        "doc_id 'd 9' is empty or holds white space",
    ),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_what_the_folder_gets_wrong_as_a_whole_writes_nothing(
    case: str, folder: Path, tmp_path: Path
):
    name, number, line, found = WRITTEN[case]
    with (folder / name).open("a") as f:
        f.write(line + "\n")
    with pytest.raises(InputError) as e:
        write_dataset(read_beir(folder), tmp_path / "out", folder)
    assert str(e.value).startswith(f"{folder / name}:{number}: ")
    assert found in str(e.value)
    if "twice" in found:
        first = 2 if name.endswith("tsv") else 1
        assert f"(first in {folder / name}:{first})" in str(e.value)
    assert [p.name for p in tmp_path.iterdir()] == ["beir"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
RECORD = st.fixed_dictionaries({}, optional={"_id": JSON, "title": JSON, "text": JSON})
LINES = st.binary() | st.lists(RECORD, max_size=3).map(
    lambda records: "\n".join(map(json.dumps, records)).encode()
)
TSV = st.binary() | st.lists(st.text("q1d\t\r-9²\n"), max_size=5).map(
    lambda lines: (HEADER + "\n".join(lines)).encode()
)


@given(corpus=LINES, queries=LINES, qrels=TSV)
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=50)
def test_arbitrary_bytes_are_a_dataset_or_an_input_error(
    folder: Path, corpus: bytes, queries: bytes, qrels: bytes
):
    bad = {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/train.tsv": qrels}
    for name, content in bad.items():  # one file at a time, or the first error hides the others
        path = folder / name
        good = path.read_bytes()
        path.write_bytes(content)
        try:
            data = read_beir(folder)
            assert isinstance(data, Dataset)
            write_dataset(data, folder.parent / "out", folder)
        except InputError as e:
            assert str(folder) in str(e)
        finally:
            path.write_bytes(good)
