"""Collections as they are in the field: what is kept and told, what is refused, and where."""

import codecs
import gzip
import json
from pathlib import Path

import pytest

from jointir.basics.errors import InputError
from jointir.data.corpus import corpus_beir
from jointir.data.store import (
    About,
    content_hash,
    read_about,
    read_corpus,
    read_qrels,
    read_queries,
)

HEADER = "query-id\tcorpus-id\tscore"
DOCS = {f"d{i}": f"text {i}" for i in range(1, 7)}
QUERIES = {f"q{i}": f"query {i}" for i in range(1, 6)}
QRELS = {
    "train": [("q1", "d1", 1), ("q2", "d2", 1), ("q3", "d3", 2)],
    "dev": [("q4", "d4", 1)],
    "test": [("q5", "d5", 1)],
}


def record(name: object, text: str | None) -> str:
    return json.dumps({"_id": name, "text": text})


def judged(*row: object) -> str:
    return "\t".join(map(str, row))


def lines() -> dict[str, list[str]]:
    """Return the lines of a sound folder's files."""
    files = {"corpus.jsonl": [record(*d) for d in DOCS.items()]}
    files["queries.jsonl"] = [record(*q) for q in QUERIES.items()]
    for split, rows in QRELS.items():
        files[f"qrels/{split}.tsv"] = [HEADER, *(judged(*row) for row in rows)]
    return files


def beir(tmp_path: Path, more: dict[str, list[str]] | None = None, without: str = "") -> Path:
    """Write the folder with more lines at the ends of its files."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    files = lines()
    for name, added in (more or {}).items():
        files[name] = files.get(name, []) + added
    for name, content in files.items():
        if name != without:
            (folder / name).write_text("".join(f"{line}\n" for line in content))
    return folder


def values(out: Path) -> dict[str, object]:
    """Return ids of documents, text of queries, and the judgements of each split."""
    queries = read_queries(out)
    return {
        "docs": read_corpus(out)["doc_id"].tolist(),
        "queries": dict(zip(queries["query_id"], queries["text"], strict=True)),
        **{s: [tuple(r) for r in read_qrels(out / f"qrels/{s}.trec").values] for s in QRELS},
    }


SOUND = {"docs": list(DOCS), "queries": QUERIES, **QRELS}
# lines that are added, where and what is told of them, and what the collection then has more
KEPT = {
    "empty document": (
        {"corpus.jsonl": [record("d7", "")]},
        "corpus.jsonl:7 (first of 1): documents without text, kept, but relevant to no query of a",
        {"docs": ["d7"]},
    ),
    "empty documents": (
        {"corpus.jsonl": [record("d7", None), record("d8", " \n"), record("d9", "x")]},
        "corpus.jsonl:7 (first of 2): documents without text, kept",
        {"docs": ["d7", "d8", "d9"]},
    ),
    "judgement of no document": (
        {"qrels/test.tsv": [judged("q5", "nowhere", 1), judged("q5", "no", 0)]},
        "qrels/test.tsv:3 (first of 2): judgements of documents that are not in the corpus, kept",
        {"test": [("q5", "nowhere", 1), ("q5", "no", 0)]},
    ),
    "test queries of grade 0": (
        {
            "queries.jsonl": [record("q6", "x"), record("q7", "y"), record("q8", "z")],
            "qrels/test.tsv": [
                judged("q6", "d1", 0),
                judged("q7", "d1", -1),
                judged("q7", "d2", 0),
            ],
            "qrels/train.tsv": [judged("q8", "d1", 0)],  # nothing is measured on train
        },
        "queries.jsonl:6 (first of 2): dev and test queries without a relevant document that can",
        {
            "queries": {"q6": "x", "q7": "y", "q8": "z"},
            "test": [("q6", "d1", 0), ("q7", "d1", -1), ("q7", "d2", 0)],
            "train": [("q8", "d1", 0)],
        },
    ),
    "dev query of grade 0": (
        {"queries.jsonl": [record("q6", "x")], "qrels/dev.tsv": [judged("q6", "d1", 0)]},
        "queries.jsonl:6 (first of 1): dev and test queries without a relevant document that can",
        {"queries": {"q6": "x"}, "dev": [("q6", "d1", 0)]},
    ),
    "same judgement": (
        {"qrels/train.tsv": [judged("q3", "d3", 2)]},
        "qrels/train.tsv:5 (first of 1): judgements that repeat one before them, left out",
        {},
    ),
    "same judgement, as a float": (
        {"qrels/train.tsv": [judged("q3", "d3", "2.0"), judged("q3", "d4", "1.0")]},
        "qrels/train.tsv:5 (first of 1): judgements that repeat one before them, left out",
        {"train": [("q3", "d4", 1)]},
    ),
    "judged query without text": (
        {"queries.jsonl": [record("q6", " ")], "qrels/test.tsv": [judged("q6", "d1", 1)]},
        "queries.jsonl:6 (first of 1): judged queries without text, left out with their judgements",
        {},
    ),
    "judged query with null": (
        {"queries.jsonl": [record("q6", None)], "qrels/test.tsv": [judged("q6", "d1", 1)]},
        "queries.jsonl:6 (first of 1): judged queries without text, left out with their judgements",
        {},
    ),
    "judged query that is not there": (
        {"qrels/test.tsv": [judged("q6", "d1", 1), judged("q6", "d2", 1), judged("q7", "d2", 1)]},
        "qrels/test.tsv:3 (first of 2): judged queries that are not among the queries, left out",
        {},
    ),
    "integer ids": (
        {
            "corpus.jsonl": [record(7, "x")],
            "queries.jsonl": [record(8, "y")],
            "qrels/test.tsv": [judged(8, 7, 1)],
        },
        "queries.jsonl:6 (first of 2): ids that are JSON integers, read as their decimal text",
        {"docs": ["7"], "queries": {"8": "y"}, "test": [("8", "7", 1)]},
    ),
    "same document": (
        {"corpus.jsonl": [record("d2", DOCS["d2"]), record("d9", "x"), record("d9", "x")]},
        "corpus.jsonl:7 (first of 2): documents that repeat one before them, left out",
        {"docs": ["d9"]},
    ),
    "same query": (
        {"queries.jsonl": [record("q2", QUERIES["q2"])]},
        "queries.jsonl:6 (first of 1): queries that repeat one before them, left out",
        {},
    ),
    "file of no split": (
        {"qrels/extra.tsv": [HEADER]},
        "qrels/extra.tsv (first of 1): files of judgements that are of no split, not read",
        {},
    ),
    "query with the id of a document": (
        {"queries.jsonl": [record("d6", "x")], "qrels/test.tsv": [judged("d6", "d1", 1)]},
        "queries.jsonl:6 (first of 1): queries whose id is a document's: where both are",
        {"queries": {"d6": "x"}, "test": [("d6", "d1", 1)]},
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_loses_nothing_is_kept_and_told_in_one_line(case, tmp_path, capsys):
    more, told, added = KEPT[case]
    folder, out = beir(tmp_path, more), tmp_path / "out"
    corpus_beir(folder, out)
    log = capsys.readouterr().err.splitlines()
    assert log[0].startswith(f"{folder}/{told}")
    assert len(log) == 2 and log[1].startswith(f"{out}: ")
    found = values(out)
    for name, sound in SOUND.items():
        more_of_it = added.get(name, type(sound)())
        expected = sound | more_of_it if isinstance(sound, dict) else sound + more_of_it
        assert found[name] == expected, name


def test_a_sound_collection_is_told_nothing_of(tmp_path, capsys):
    corpus_beir(beir(tmp_path), tmp_path / "out")
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert values(tmp_path / "out") == SOUND
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *("corpus.parquet", "qrels", "queries.parquet"),
    ]


def sound_hash(tmp_path: Path) -> str:
    corpus_beir(beir(tmp_path), tmp_path / "sound")
    return content_hash(tmp_path / "sound")


SPELLED = {
    "byte-order mark": lambda content: codecs.BOM_UTF8 + content,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "blank lines": lambda content: b"\n" + content + b"\n \r\n\n",
    "no last line end": lambda content: content.rstrip(b"\n"),
    "all": lambda content: codecs.BOM_UTF8 + content.replace(b"\n", b"\r\n\r\n"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", SPELLED)
def test_the_spelling_of_a_file_makes_no_difference(case, packed, tmp_path):
    expected, folder = sound_hash(tmp_path), tmp_path / "beir"
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        content = SPELLED[case](path.read_bytes())
        path.unlink()
        target = path.with_name(f"{path.name}.gz") if packed else path
        target.write_bytes(gzip.compress(content) if packed else content)
    corpus_beir(folder, tmp_path / "out")
    assert content_hash(tmp_path / "out") == expected


@pytest.mark.parametrize(
    "header", ["query_id\tdoc_id\trelevance", "Query-ID\tCorpus-ID\tScore", "qid\tpid\tlabel", None]
)
def test_a_header_of_another_spelling_or_none_loses_no_judgement(header, tmp_path):
    expected, folder = sound_hash(tmp_path), tmp_path / "beir"
    for path in (folder / "qrels").iterdir():
        rows = path.read_text().splitlines()[1:]
        path.write_text("\n".join([header, *rows] if header else rows))
    corpus_beir(folder, tmp_path / "out")
    assert content_hash(tmp_path / "out") == expected


REFUSED = {
    "two grades": (
        {"qrels/train.tsv": [judged("q1", "d1", 0)]},
        "qrels/train.tsv:5: the pair ('q1', 'd1') is judged twice, with 0 and 1 (first in {}/qrels/"
        "train.tsv:2). Keep one judgement",
    ),
    "two splits": (
        {"qrels/test.tsv": [judged("q1", "d1", 1)]},
        "qrels/test.tsv:3: query 'q1' is in 'train' and in 'test' (first in {}/qrels/train.tsv:2)",
    ),
    "two texts": (
        {"corpus.jsonl": [record("d7", "x"), record("d2", "x")]},
        "corpus.jsonl:8: doc_id 'd2' appears twice, with another text (first in {}/corpus.jsonl:2)",
    ),
    "two queries": (
        {"queries.jsonl": [record("q2", "x")]},
        "queries.jsonl:6: query_id 'q2' appears twice, with another text (first in {}/queries.json",
    ),
    "number and string": (
        {"corpus.jsonl": [record(7, "x"), record("7", "y")]},
        "corpus.jsonl:8: doc_id '7' appears twice, with another text (first in {}/corpus.jsonl:7)",
    ),
    "TREC's columns": (
        {"qrels/train.tsv": ["q1 0 d2 1"]},
        "qrels/train.tsv:5: 'q1 0 d2 1' has 4 columns, not 3, as TREC's qrels have. Write query-id",
    ),
    "two files of dev": (
        {"qrels/val.tsv": [HEADER, judged("q1", "d1", 1)]},
        "qrels: dev.tsv and val.tsv are both dev. Keep one of them",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_contradicts_itself_is_refused_with_both_places(case, tmp_path):
    more, found = REFUSED[case]
    folder = beir(tmp_path, more)
    with pytest.raises(InputError) as e:
        corpus_beir(folder, tmp_path / "out")
    assert str(e.value).startswith(f"{folder}/{found.format(folder)}")
    assert [p.name for p in tmp_path.iterdir()] == ["beir"]


def test_the_folder_keeps_the_option_and_the_relevant_documents_without_text(tmp_path, capsys):
    more = {
        "corpus.jsonl": [record("d7", ""), record("d8", "")],
        "queries.jsonl": [record("d6", "x")],
        "qrels/train.tsv": [judged("d6", "d7", 1), judged("d6", "d1", 1)],
    }
    corpus_beir(beir(tmp_path, more), tmp_path / "out", drop_identical_ids=True)
    assert read_about(tmp_path / "out") == About(True, frozenset({"d7"}))
    assert "whose id is a document's" not in capsys.readouterr().err
    (tmp_path / "out" / "about.json").write_text('{"drop_identical_ids": 1, "empty": []}')
    with pytest.raises(InputError, match=r"about\.json: is no description of a collection"):
        read_about(tmp_path / "out")
