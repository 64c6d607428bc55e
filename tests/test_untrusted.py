"""Files from elsewhere: damaged in any way, they end with their name, never inside a parser."""

import gzip
import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from conftest import ROOT
from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.basics.readers import (
    parquet_batches,
    parquet_rows,
    read_csv,
    read_npy,
    read_parquet,
    read_safetensors,
)
from jointir.data.apidocs import parse_wheel
from jointir.data.archives import read_archives, unpack
from jointir.data.beir import read_beir
from jointir.data.download import read_pins
from jointir.data.packages import read_packages
from jointir.data.store import read_corpus, read_doc_ids, read_qrels, read_queries
from jointir.data.trec import read_run
from jointir.generative.ids import read_ids
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import FIGURE4
from jointir.measure.results import read_meta, read_results, read_values
from jointir.report.group_table import groups_table

SHA = "0" * 64
RESULT = "dataset,split,system,setting,seed,bytes_per_doc,measure,value,low,high"
COMPARISON = "family,dataset,split,measure,reference,reference_setting,reference_seeds,system"
COMPARISON += ",setting,seeds,difference,p,p_holm"
COMPARED = f"{FIGURE4},d,test,R@1,jpq,M=4,1,opq,M=4,1,-0.1,0.01,0.02".split(",")
GROUP = "dataset,split,grouping,group,n_queries,system,setting,seed,bytes_per_doc,measure,value"
GROUP += ",low,high,against,difference,p_holm"


def npy(path: Path) -> None:
    with path.open("wb") as f:
        np.save(f, np.arange(12, dtype=np.float32).reshape(3, 4))


def parquet(path: Path) -> None:
    pd.DataFrame({"query_id": ["a", "b"], "value": [1.0, 2.0]}).to_parquet(path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as f:
        f.writestr("a/b.py", 'def f():\n    """Return what is asked for here."""\n' * 9)


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content)


def beir(path: Path) -> None:
    list(read_beir(path.parent.parent if path.suffix == ".tsv" else path.parent).corpus)


def of_results(path: Path) -> None:
    read_results([path])


def of_comparisons(path: Path) -> None:
    read_comparisons(path, FIGURE4)


def of_groups(path: Path) -> None:
    groups_table(path, path.parent / "groups.md")


RUN = "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 1.5 tag\n"
META = {"dataset": "d", "system": "s", "setting": "", "seed": 1, "bytes_per_doc": 4}
META |= {"n_docs": 3, "dim": 2, "bytes": {"codes": 1}}
# name: what writes a good file, and what reads it
FORMATS = {
    "a.npy": (npy, read_npy),
    "mapped.npy": (npy, lambda path: read_npy(path, mapped=True)),
    "a.parquet": (parquet, lambda path: read_parquet(path, ["query_id", "value"])),
    "batches.parquet": (
        parquet,
        lambda path: (parquet_rows(path), list(parquet_batches(path, ["query_id", "value"], 1))),
    ),
    "a.csv": (text("x,y\n1,2\n3,4\n"), lambda path: read_csv(path, ["x"], dtype={"y": float})),
    "results.csv": (text(f"{RESULT}\nd,test,s,,1,4,R@1,0.5,0.4,0.6\n"), of_results),
    "comparisons.csv": (text(f"{COMPARISON}\n{','.join(COMPARED)}\n"), of_comparisons),
    "groups.csv": (text(f"{GROUP}\nd,test,train query,with,9,s,,1,4,R@1,.5,.4,.6,,,\n"), of_groups),
    "packages.csv": (
        text("module,package,repository,since,why\na,a,example.org/a,2019-01,known\n"),
        read_packages,
    ),
    "a.safetensors": (lambda path: save_file({"w": torch.ones(3)}, path), read_safetensors),
    "a.json": (text('{"a": [1, 2]}'), read_json),
    "meta.json": (text(json.dumps(META)), read_meta),
    "a.trec": (text(RUN), read_run),
    "a.trec.gz": (lambda path: path.write_bytes(gzip.compress(RUN.encode())), read_run),
    "qrels.trec": (text("q1 0 d1 1\nq2 0 d2 0\n"), read_qrels),
    "pins.txt": (text(f"a==1.0 --hash=sha256:{SHA}\n"), read_pins),
    "sources.txt": (text(f"a.zip https://example.org/a.zip {SHA}\n"), read_archives),
    "a.whl": (zipped, lambda path: list(parse_wheel(path))),
    "a.zip": (zipped, lambda path: unpack(path, path.parent / "out")),
    "corpus.jsonl": (text('{"_id": "d1", "title": "t", "text": "x"}\n' * 2), beir),
    "queries.jsonl": (text('{"_id": "q1", "text": "x"}\n'), beir),
    "qrels/test.tsv": (text("query-id\tcorpus-id\tscore\nq1\td1\t1\n"), beir),
}
BEIR = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")


@st.composite
def damage(draw) -> Callable[[bytes], bytes]:
    """Draw what may happen to a file: cut, bytes overwritten or added, another altogether."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "other"]))
    where, some = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=24))

    def apply(good: bytes) -> bytes:
        at = int(where * len(good))
        if kind == "cut":
            return good[:at]
        if kind == "flip":
            return good[:at] + some + good[at + len(some) :]
        return good[:at] + some + good[at:] if kind == "insert" else some

    return apply


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60)
@given(harm=damage())
def test_a_damaged_file_is_read_or_refused_by_name(tmp_path_factory, name, harm):
    folder = tmp_path_factory.mktemp("f")
    for needed in BEIR if name in BEIR else [name]:
        (folder / needed).parent.mkdir(exist_ok=True)
        FORMATS[needed][0](folder / needed)
    read, path = FORMATS[name][1], folder / name
    read(path)  # a good file is read
    shutil.rmtree(folder / "out", ignore_errors=True)
    path.write_bytes(harm(path.read_bytes()))
    try:
        read(path)
    except InputError as e:
        assert str(e).startswith(str(folder)), e
    finally:
        shutil.rmtree(folder)


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.write_text, (Path("sprung"), "x"))


@pytest.mark.parametrize("name", ["a.npy", "mapped.npy", "a.safetensors", "a.parquet", "a.json"])
def test_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=re.escape(name)):
        FORMATS[name][1](tmp_path / name)
    assert not Path("sprung").exists()


def test_an_array_of_objects_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="NumPy cannot read it"):
        read_npy(tmp_path / "a.npy")
    assert not Path("sprung").exists()


def test_no_source_loads_pickle_or_unsafe_yaml():
    banned = r"\bpickle\b|\bjoblib\b|torch\.load\b|allow_pickle=True|yaml\.load\(|yaml\.unsafe"
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
    assert len(sources) > 50
    found = {p.name: re.findall(banned, p.read_text()) for p in sources}
    refused = set(found.pop("weights.py"))  # which lets no library load one, and says so
    assert refused == {"pickle", "torch.load"}
    text = (ROOT / "src/jointir/encode/weights.py").read_text()
    assert not re.search(r"import pickle|\bpickle\.\w|torch\.load\(", text)
    assert {k: v for k, v in found.items() if v} == {}


TABLES = {
    "corpus.parquet": (
        {"doc_id": ["a", "b"], "title": ["t", ""], "text": ["x", "y"]},
        lambda path: (read_corpus(path.parent), read_doc_ids(path.parent)),
    ),
    "queries.parquet": (
        {"query_id": ["a", "b"], "text": ["x", "y"], "split": ["dev", "test"]},
        lambda path: read_queries(path.parent),
    ),
    "values.parquet": (
        {"query_id": ["a", "b"], "measure": ["RR@10"] * 2, "value": [0.5, 1.0]},
        read_values,
    ),
    "ids.parquet": ({"doc_id": ["a", "b"], "id_1": [3, 4], "id_2": [1, 2]}, read_ids),
}
WRONG = {
    "missing": [None, None],
    "one missing": ["a", None],
    "number": [1, 2],
    "text": ["a", "b"],
    "NaN": [0.5, np.nan],
    "infinity": [0.5, np.inf],
    "list": [[1], [2]],
    "bytes": [b"a", b"b"],
    "truth": [True, False],
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", WRONG)
def test_a_column_of_another_type_is_named(tmp_path, name, kind):
    good, read = TABLES[name]
    read_good = pd.DataFrame(good)
    read_good.to_parquet(tmp_path / name)
    read(tmp_path / name)
    for column, values in good.items():
        same = (kind == "text") if isinstance(values[0], str) else (kind == "number")
        if same:
            continue
        read_good.assign(**{column: WRONG[kind]}).to_parquet(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: its column '{column}' does not hold"):
            read(tmp_path / name)


@pytest.mark.parametrize("cell", ["value", "low", "high", "seed", "bytes_per_doc"])
def test_a_word_among_the_numbers_of_results_is_named(tmp_path, cell):
    cells = ["d", "test", "s", "", "1", "4", "R@1", "0.5", "0.4", "0.6"]
    row = dict(zip(RESULT.split(","), cells, strict=True))
    text = ",".join((row | {cell: "word"}).values())
    (tmp_path / "r.csv").write_text(f"{RESULT}\n{text}\n")
    with pytest.raises(InputError, match=rf"r\.csv: its column '{cell}' does not hold number"):
        read_results([tmp_path / "r.csv"])


@pytest.mark.parametrize("cell", ["difference", "p", "p_holm"])
def test_a_word_among_the_numbers_of_comparisons_is_named(tmp_path, cell):
    row = dict(zip(COMPARISON.split(","), COMPARED, strict=True))
    text = ",".join((row | {cell: "word"}).values())
    (tmp_path / "c.csv").write_text(f"{COMPARISON}\n{text}\n")
    with pytest.raises(InputError, match=rf"c\.csv: its column '{cell}' does not hold number"):
        read_comparisons(tmp_path / "c.csv", FIGURE4)


@pytest.mark.parametrize("name", TABLES)
def test_text_that_is_not_utf8_is_named(tmp_path, name):
    good, read = TABLES[name]
    column, values = next(iter(good.items()))
    frame = pd.DataFrame(good | {column: ["wxyz" for _ in values]})
    frame.to_parquet(tmp_path / name, compression=None, use_dictionary=False)
    stored = (tmp_path / name).read_bytes()
    assert b"wxyz" in stored
    (tmp_path / name).write_bytes(stored.replace(b"wxyz", b"wx\xffz"))
    with pytest.raises(InputError, match=rf"{name}: its column '{column}' does not hold text"):
        read(tmp_path / name)


@pytest.mark.parametrize("key", META)
@pytest.mark.parametrize("value", [None, [], True, {"a": "b"}])
def test_a_meta_file_of_other_types_is_named(tmp_path, key, value):
    (tmp_path / "m.json").write_text(json.dumps(META | {key: value}))
    with pytest.raises(InputError, match=rf"m\.json: '{key}' is "):
        read_meta(tmp_path / "m.json")
