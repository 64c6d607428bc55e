"""ir_datasets as they are in the field: kept, told and refused as BEIR folders are."""

import pytest

from jointir.basics.errors import InputError
from jointir.data.corpus import corpus_ir_datasets
from test_collections import DOCS, QRELS, QUERIES, SOUND, values
from test_collections_splits import by_hash


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Return a function that registers the collection, with more lines, as ir_datasets ids."""
    ir_datasets = pytest.importorskip("ir_datasets")
    monkeypatch.setattr(ir_datasets.registry, "_registered", dict(ir_datasets.registry._registered))

    def register(docs: list[str] = (), queries: list[str] = (), qrels: dict | None = None) -> None:
        files = {"docs": [*map("\t".join, DOCS.items()), *docs]}
        files["queries"] = [*map("\t".join, QUERIES.items()), *queries]
        for split, rows in QRELS.items():
            own = [f"{q} 0 {d} {g}" for q, d, g in rows]
            files[split] = own + (qrels or {}).get(split, [])
        for name, content in files.items():
            (tmp_path / name).write_text("".join(f"{line}\n" for line in content))
        given = {"docs_tsv": str(tmp_path / "docs"), "queries_tsv": str(tmp_path / "queries")}
        for split in QRELS:
            made = ir_datasets.create_dataset(**given, qrels_trec=str(tmp_path / split))
            ir_datasets.registry.register(f"local/{split}", made)

    return register


IRDS = {
    "empty document": (
        {"docs": ["d7\t"]},
        "local/train, document 7 (first of 1): documents without text, kept",
        {"docs": ["d7"]},
    ),
    "judgement of no document": (
        {"qrels": {"test": ["q5 0 nowhere 1"]}},
        "local/test, judgement 2 (first of 1): judgements of documents that are not in the corpus",
        {"test": [("q5", "nowhere", 1)]},
    ),
    "same judgement": (
        {"qrels": {"train": ["q3 0 d3 2"]}},
        "local/train, judgement 4 (first of 1): judgements that repeat one before them, left out",
        {},
    ),
    "same document": (
        {"docs": [f"d2\t{DOCS['d2']}"]},
        "local/train, document 7 (first of 1): documents that repeat one before them, left out",
        {},
    ),
    "judged query without text": (
        {"queries": ["q6\t"], "qrels": {"test": ["q6 0 d1 1"]}},
        "local/test, query 6 (first of 1): judged queries without text, left out with their",
        {},
    ),
    "judged query that is not there": (
        {"qrels": {"test": ["q6 0 d1 1"]}},
        "local/test, judgement 2 (first of 1): judged queries that are not among the queries",
        {},
    ),
}
SPLITS = {split: f"local/{split}" for split in QRELS}


@pytest.mark.parametrize("case", IRDS)
def test_ir_datasets_are_kept_alike(case, tmp_path, registered, capsys):
    more, told, added = IRDS[case]
    registered(**more)
    corpus_ir_datasets("local/train", **SPLITS, out=tmp_path / "out")
    log = [line for line in capsys.readouterr().err.splitlines() if line.startswith("local/")]
    assert len(log) == 1 and log[0].startswith(told)
    found = values(tmp_path / "out")
    assert {n: found[n] for n in SOUND if n not in added} == {
        n: SOUND[n] for n in SOUND if n not in added
    }
    assert {n: found[n] for n in added} == {n: SOUND[n] + more for n, more in added.items()}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"qrels": {"train": ["q3 0 d3 1"]}}, r"^local/train, judgement 4: .*with 1 and 2 \(first"),
        ({"docs": ["d2\tx"]}, r"^local/train, document 7: doc_id 'd2' appears twice"),
        ({"qrels": {"test": ["q1 0 d3 1"]}}, r"^local/test, judgement 2: query 'q1' is in 'train'"),
    ],
)
def test_ir_datasets_that_contradict_themselves_are_refused(more, found, tmp_path, registered):
    registered(**more)
    with pytest.raises(InputError, match=found):
        corpus_ir_datasets("local/train", **SPLITS, out=tmp_path / "out")


def test_a_number_in_place_of_an_id_takes_dev_from_train(tmp_path, registered):
    registered()
    given = SPLITS | {"dev": "0.34"}
    corpus_ir_datasets("local/train", **given, out=tmp_path / "out", seed=3)
    chosen = by_hash(3)[:1]
    assert values(tmp_path / "out")["dev"] == [r for r in QRELS["train"] if r[0] in chosen]
    for dev, words in {"1.0": "1.0 may mean one query", "inf": "inf. Set a share"}.items():
        with pytest.raises(InputError) as caught:
            corpus_ir_datasets("local/train", **SPLITS | {"dev": dev}, out=tmp_path / "none")
        assert str(caught.value).startswith(f"splits.dev: {words}")
    with pytest.raises(InputError, match=r"local/train: there is no test split"):
        corpus_ir_datasets("local/train", **SPLITS | {"test": ""}, out=tmp_path / "none")
