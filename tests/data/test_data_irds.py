"""ir_datasets as a source, on local data of its shape, and the ids that the presets name."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from conftest import ROOT
from jointir.basics.errors import InputError
from jointir.data.dataset import write_dataset
from jointir.data.irds import _document, read_ir_datasets
from jointir.data.store import read_corpus, read_qrels, read_queries

ir_datasets = pytest.importorskip("ir_datasets")
PRESETS = ROOT / "params" / "presets"


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A corpus and four query sets, registered for one test under local/."""
    monkeypatch.setattr(ir_datasets.registry, "_registered", dict(ir_datasets.registry._registered))
    source = tmp_path / "source"
    source.mkdir()
    (source / "docs.tsv").write_text("d1\tone\nd2\tzwölf\nd3\tthree\n", encoding="utf-8")
    ir_datasets.registry.register(
        "local", ir_datasets.create_dataset(docs_tsv=str(source / "docs.tsv"))
    )
    register(
        source,
        "train",
        "q1\tfirst\nq2\tsecond\nq9\tunjudged\n",
        "q1 0 d1 1\nq2 0 d2 1\nq2 0 d2 1\n",
    )
    register(source, "dev", "q3\tthird\n", "q3 0 d3 1\nq3 0 d1 0\n")
    register(source, "2019", "q4\tfourth\n", "q4 0 d1 3\n")
    register(source, "2020", "q5\tfifth\n", "q5 0 d2 2\n")
    yield source


def register(source: Path, name: str, queries: str, qrels: str) -> None:
    (source / f"{name}.tsv").write_text(queries, encoding="utf-8")
    (source / f"{name}.qrels").write_text(qrels, encoding="utf-8")
    made = ir_datasets.create_dataset(
        docs_tsv=str(source / "docs.tsv"),
        queries_tsv=str(source / f"{name}.tsv"),
        qrels_trec=str(source / f"{name}.qrels"),
    )
    ir_datasets.registry.register(f"local/{name}", made)


def test_values(local: Path, tmp_path: Path):
    splits = {"train": "local/train", "dev": "local/dev", "test": "local/2019+local/2020"}
    data = read_ir_datasets("local", splits)
    assert data.queries.drop(columns="place").values.tolist() == [
        ["q1", "first", "train"],
        ["q2", "second", "train"],
        ["q3", "third", "dev"],
        ["q4", "fourth", "test"],
        ["q5", "fifth", "test"],
    ]
    assert data.qrels.drop(columns="place").values.tolist() == [
        ["q1", "d1", 1, "train"],
        ["q2", "d2", 1, "train"],
        ["q2", "d2", 1, "train"],
        ["q3", "d3", 1, "dev"],
        ["q3", "d1", 0, "dev"],
        ["q4", "d1", 3, "test"],
        ["q5", "d2", 2, "test"],
    ]
    assert data.qrels["place"][2] == "local/train, judgement 3"
    write_dataset(data, tmp_path / "out", "local")
    train = read_qrels(tmp_path / "out" / "qrels" / "train.trec")
    assert train.values.tolist() == [["q1", "d1", 1], ["q2", "d2", 1]]  # the repeated one once
    assert read_corpus(tmp_path / "out").values.tolist() == [
        ["d1", "", "one"],
        ["d2", "", "zwölf"],
        ["d3", "", "three"],
    ]
    assert list(read_queries(tmp_path / "out", "test")["query_id"]) == ["q4", "q5"]


class WebPage(NamedTuple):
    """The shape of an MS MARCO document."""

    doc_id: str
    url: str
    title: str
    body: str

    def default_text(self) -> str:
        return f"{self.title} {self.body}"


class Untitled(NamedTuple):
    """A type whose default text leaves its title out."""

    doc_id: str
    title: str
    text: str

    def default_text(self) -> str:
        return self.text


class Plain(NamedTuple):
    """A type without a default text."""

    doc_id: str
    text: str
    year: int
    note: str


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (WebPage("D1", "http://u", "A title", "The body. "), ("D1", "A title", "The body.")),
        (WebPage("D2", "http://u", "", "The body."), ("D2", "", "The body.")),
        (WebPage("D3", "http://u", "A title", ""), ("D3", "A title", "")),
        (WebPage("D4", "http://u", "", " "), ("D4", "", "http://u")),
        (Untitled("D5", "A title", "The text."), ("D5", "", "The text.")),
        (Untitled("D7", "A title", None), ("D7", "", "")),
        (Plain("D6", "The text.", 2019, "A note."), ("D6", "", "The text. A note.")),
    ],
)
def test_title_and_text_of_a_document(doc: NamedTuple, expected: tuple[str, str, str]):
    assert _document(doc) == expected


def test_ms_marco_documents_have_the_shape_that_is_tested_here():
    doc = ir_datasets.load("msmarco-document").docs_cls()("D1", "http://u", "A title", "The body")
    assert _document(doc) == ("D1", "A title", "The body")


@pytest.mark.parametrize("corpus", ["local", "no/such"])
def test_an_unknown_id_is_named(local: Path, corpus: str):
    with pytest.raises(InputError, match=r"^no/such: ir_datasets knows no such id\. Choose an id"):
        read_ir_datasets(corpus, {"train": "local/train+no/such"})


def test_an_id_without_queries_is_named(local: Path):
    with pytest.raises(InputError, match=r"^local: the id has no queries\. Choose a subset"):
        read_ir_datasets("local", {"train": "local"})


def test_a_query_in_two_splits_is_named(local: Path):
    register(local, "again", "q1\tfirst\n", "q1 0 d1 1\n")
    two = r"query 'q1' is in 'train' and in 'dev' \(first in local/train, judgement 1\)"
    with pytest.raises(InputError, match=f"^local/again, judgement 1: {two}"):
        read_ir_datasets("local", {"train": "local/train", "dev": "local/again"})


def test_judgements_of_another_corpus_alone_write_nothing(local: Path, tmp_path: Path):
    register(local, "foreign", "q1\tfirst\n", "q1 0 elsewhere 1\n")
    data = read_ir_datasets("local", {"train": "local/foreign"})
    with pytest.raises(
        InputError, match="'train' has no relevant document with text in the corpus"
    ):
        write_dataset(data, tmp_path / "out", "local")
    assert not (tmp_path / "out").exists()


def test_a_failed_download_says_what_to_do(local: Path, monkeypatch: pytest.MonkeyPatch):
    requests = pytest.importorskip("requests")

    def offline(*_: object, **__: object) -> None:
        raise requests.exceptions.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setenv("IR_DATASETS_DL_TRIES", "1")
    download = ir_datasets.util.RequestsDownload("https://example.invalid/docs.tsv")
    cached = ir_datasets.util.Cache(ir_datasets.util.Download([download]), local / "far.tsv")
    docs = ir_datasets.formats.TsvDocs(cached)
    ir_datasets.registry.register("local/far", ir_datasets.Dataset(docs))
    with pytest.raises(InputError) as e:
        list(read_ir_datasets("local/far", {"train": "local/train"}).corpus)
    assert str(e.value).startswith("local/far: its docs could not be fetched or read (Connection")
    assert "Check the network and the free disk space" in str(e.value)
    assert "IR_DATASETS_HOME" in str(e.value)
    assert not (local / "far.tsv").exists()


@pytest.mark.parametrize(
    ("name", "content", "entity"),
    [
        ("docs.tsv", b"d1\tone\textra\n", "docs"),
        ("docs.tsv", b"d1\t\xff\n", "docs"),
        ("train.tsv", b"q1\n", "queries"),
        ("train.qrels", b"q1 0 d1 high\n", "qrels"),
    ],
)
def test_a_damaged_file_is_named(local: Path, name: str, content: bytes, entity: str):
    (local / name).write_bytes(content)
    with pytest.raises(InputError, match=f"its {entity} could not be fetched or read"):
        list(read_ir_datasets("local", {"train": "local/train"}).corpus)


@pytest.mark.parametrize("name", ["msmarco-passage", "msmarco-doc"])
def test_the_ids_of_a_preset_exist_with_what_they_are_used_for(name: str):
    preset = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    assert preset["figure4"]["datasets"] == list(preset["datasets"]) == [name]
    entry = preset["datasets"][name]
    assert entry["kind"] == "ir_datasets"
    corpus = ir_datasets.load(entry["corpus_id"])
    assert corpus.has_docs()
    assert list(entry["splits"]) == ["train", "dev", "test"]
    for ids in entry["splits"].values():
        for dataset_id in ids.split("+"):
            subset = ir_datasets.load(dataset_id)
            assert subset.has_queries() and subset.has_qrels()
            assert subset.docs_handler() == corpus.docs_handler()


@pytest.mark.parametrize("name", ["msmarco-passage", "msmarco-doc"])
def test_the_counts_in_a_presets_comment_are_ir_datasets_own(name: str):
    text = (PRESETS / f"{name}.yaml").read_text()
    entry = yaml.safe_load(text)["datasets"][name]
    assert f"{count(entry['corpus_id'], 'docs'):,} documents" in text
    for dataset_id in "+".join(entry["splits"].values()).split("+"):
        line = next(line for line in text.splitlines() if line.startswith(f"#   {dataset_id} "))
        assert f" {count(dataset_id, 'queries'):,} queries" in line
        assert f" {count(dataset_id, 'qrels'):,} judgements" in line


def count(dataset_id: str, entity: str) -> int:
    return ir_datasets.load(dataset_id).metadata()[entity]["count"]
