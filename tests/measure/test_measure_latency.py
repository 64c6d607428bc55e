"""The latency stage: its rows, which encoder is timed when, and the machine that it ran on."""

import json
import os
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.encode.embed import embed
from jointir.measure import latency as module
from jointir.measure import machine as machine_module
from jointir.measure.latency import COLUMNS, latency
from jointir.measure.machine import cores, described, processor
from jointir.measure.timing import Budget
from tiny import D, M, N, make, on_processor, save_encoder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("latency"))


@pytest.fixture(scope="module")
def hnsw(tiny):
    """Return the file of a graph over the documents: an index with a search parameter."""
    index = faiss.IndexHNSWFlat(D, 8, faiss.METRIC_INNER_PRODUCT)
    index.add(np.load(tiny.docs))
    faiss.write_index(index, str(tiny.docs.parent / "hnsw.faiss"))
    return tiny.docs.parent / "hnsw.faiss"


def options(tiny, folder: Path, systems: dict[str, tuple[Path, int]]) -> dict:
    """Return the stage's options for systems given as name -> index and value."""
    metas = []
    for name in systems:
        meta = {"dataset": "tiny", "system": name, "setting": "a, b", "seed": 1, "bytes": {}}
        meta |= {"bytes_per_doc": M, "n_docs": N, "dim": D}
        metas.append(folder / f"{name}.json")
        metas[-1].write_text(json.dumps(meta))
    lists = {"index": [index for index, _ in systems.values()], "meta": metas}
    lists |= {"value": [value for _, value in systems.values()]}
    lists |= {"queries": [tiny.queries] * len(metas), "encoder": [tiny.encoder] * len(metas)}
    paths = {"out": folder / "latency.csv", "machine": folder / "machine.json"}
    given = {"collection": tiny.collection, "split": ["dev", "test"]}
    return given | lists | paths | {"seconds": 60, "least": 8, "rounds": 2, "batch": 4}


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def test_the_stage_writes_a_row_for_each_configuration(tiny, hnsw, tmp_path):
    systems = {"opq": (tiny.opq, 0), "hnsw-16": (hnsw, 16), "hnsw-64": (hnsw, 64)}
    latency(**options(tiny, tmp_path, systems), threads=2)
    frame = read(tmp_path / "latency.csv")
    assert list(frame.columns) == COLUMNS
    keys = frame[["system", "stage", "threads", "batch"]].itertuples(index=False, name=None)
    calls = [(1, 1), (1, 4), (2, 1), (2, 4)]
    assert list(keys) == [
        (name, stage, *c) for name in systems for stage in ("search", "encode") for c in calls
    ]
    facts = frame[["dataset", "setting", "n_docs", "dim"]].drop_duplicates()
    assert facts.to_numpy().tolist() == [["tiny", "a, b", N, D]]
    assert (frame["median_ms"] > 0).all()
    assert (frame["p95_ms"] >= frame["median_ms"]).all()
    times = ["median_ms", "p95_ms", "qps", "peak_mb"]
    encode = frame[frame["stage"].eq("encode")]
    assert len(encode[times].drop_duplicates()) == 4  # timed once, told of all three
    search = frame[frame["stage"].eq("search")]
    assert len(search[times].drop_duplicates()) == 12
    peaks = search.groupby("system")["peak_mb"].unique()
    assert all(len(p) == 1 and p[0] > 0 for p in peaks)
    assert peaks["hnsw-16"] == peaks["hnsw-64"]  # one process
    names = {"latency.csv", "machine.json", *(f"{name}.json" for name in systems)}
    assert {p.name for p in tmp_path.iterdir()} == names


@pytest.fixture
def timed_by_rule(monkeypatch):
    """Replace the timing by a rule; return what would have been timed."""
    asked = {}

    def rule(subjects, configurations, threads, budget):
        asked.update(subjects=subjects, configurations=configurations, threads=threads)
        asked["budget"] = budget
        times = {"median_ms": 0.0, "p95_ms": 2.0, "qps": 1 / 3, "peak_mb": float("nan")}
        return [times | {"median_ms": float(i)} for i in range(len(configurations))]

    monkeypatch.setattr(module, "time_all", rule)
    return asked


def test_with_a_gpu_encoders_are_timed_there_too(tiny, hnsw, tmp_path, timed_by_rule, monkeypatch):
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module.torch.cuda, "get_device_name", lambda: "a GPU")
    systems = {"hnsw-16": (hnsw, 16), "hnsw-64": (hnsw, 64)}
    latency(**options(tiny, tmp_path, systems), threads=1)
    subjects, wanted = timed_by_rule["subjects"], timed_by_rule["configurations"]
    kinds = [getattr(s, "device", "search") for s in subjects.values()]
    assert kinds == ["search", "cpu", "cuda"]
    named = [kinds[list(subjects).index(c.subject)] for c in wanted]
    assert list(zip(named, (c.value for c in wanted), (c.batch for c in wanted), strict=True)) == [
        *[("search", 16, 1), ("search", 16, 4), ("cpu", 0, 1), ("cpu", 0, 4)],
        *[("cuda", 0, 1), ("cuda", 0, 4), ("search", 64, 1), ("search", 64, 4)],
    ]
    assert {c.threads for c in wanted} == {1} == {timed_by_rule["threads"]}
    assert timed_by_rule["budget"] == Budget(60, 8, 2, 1)
    frame = read(tmp_path / "latency.csv")
    stages = ["search", "search", "encode", "encode", "encode-gpu", "encode-gpu"]
    assert frame["stage"].tolist() == stages * 2
    assert frame["median_ms"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 2, 3, 4, 5]
    assert frame.loc[0, ["qps", "peak_mb"]].tolist() == [0.333333, ""]
    assert json.loads((tmp_path / "machine.json").read_text())["gpu"] == "a GPU"


def test_no_number_of_threads_means_every_core(tiny, tmp_path, timed_by_rule):
    latency(**options(tiny, tmp_path, {"opq": (tiny.opq, 0)}))
    assert timed_by_rule["threads"] == cores() == len(os.sched_getaffinity(0))


def test_refusals(tiny, tmp_path, timed_by_rule):
    good = options(tiny, tmp_path, {"opq": (tiny.opq, 0)})
    twice = {key: good[key] * 2 for key in ("index", "meta", "value", "queries", "encoder")}
    bad = [
        (
            {"value": [1, 2]},
            r"latency: 1, 1, 2, 1, 1 of index, meta, value, queries, encoder",
        ),
        ({key: [] for key in twice}, r"latency: 0, 0, 0, 0, 0 of index"),
        ({"split": ["dev"]}, r"queries\.npy: holds 20 queries, the splits 10\. Embed"),
        ({"split": ["tset"]}, r"collection: holds no query of the splits \['tset'\]\. Name"),
        (twice, r"opq\.json: 'tiny opq a, b' was already given\. Give each"),
        ({"rounds": 0}, r"rounds: 0 is not positive\. Raise it"),
        ({"batch": 0}, r"batch: 0 is not positive"),
        ({"k": 0}, r"k: 0 is not positive"),
        ({"threads": -1}, r"threads: -1 is not positive"),
    ]
    for change, message in bad:
        with pytest.raises(InputError, match=message):
            latency(**(good | change))
    assert not good["out"].exists()
    assert not timed_by_rule


def test_an_encoder_of_another_dimension_is_refused(tiny, tmp_path):
    other = save_encoder(tmp_path / "other", hidden=16)
    encoder = module.Encoder(other, np.array(["w1 w2"], object), D, "cpu")
    with pytest.raises(InputError, match=rf"other: has 16 dimensions, its queries' .* {D}\. Embed"):
        encoder.load()


@pytest.mark.parametrize("instructions", ["", "amx_bf16"])
def test_an_encoder_embeds_as_the_embed_stage_does(tiny, tmp_path, instructions):
    texts = module._texts(tiny.collection, ["dev", "test"])
    encoder, staged = module.Encoder(tiny.encoder, texts, D, "cpu"), tmp_path / "q.npy"
    with on_processor(instructions):
        encoder.load()
        embed(tiny.collection, tiny.encoder, staged, "query", ["dev", "test"], dtype="float32")
    np.testing.assert_allclose(encoder.call(texts, 0, 1), np.load(staged), atol=1e-5)


CPU_INFO = """processor\t: 0
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu avx avx2 avx512f amx_tile sse

processor\t: 1
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu avx avx2 avx512f amx_tile sse
"""


def test_the_machine_is_described_at_the_end_of_a_good_block(tmp_path, monkeypatch):
    assert processor(CPU_INFO) == ("Some CPU @ 2.00GHz", ["avx2", "avx512f", "amx_tile"])
    loads = iter([(1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0)])
    monkeypatch.setattr(os, "getloadavg", lambda: next(loads))
    (tmp_path / "governor").write_text("powersave\n")
    monkeypatch.setattr(machine_module, "GOVERNOR", tmp_path / "governor")
    with described(tmp_path / "m.json", 3):
        assert not (tmp_path / "m.json").exists()
    found = json.loads((tmp_path / "m.json").read_text())
    assert set(found) == {
        *("cpu", "flags", "cores", "threads", "load_start", "load_end", "governor", "versions"),
        "gpu",
    }
    assert (found["load_start"], found["load_end"]) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert (found["threads"], found["governor"]) == (3, "powersave")
    assert found["versions"]["numpy"] == np.__version__
    assert {"python", "faiss-cpu", "torch"} < set(found["versions"])
    with pytest.raises(ZeroDivisionError), described(tmp_path / "n.json", 3):
        raise ZeroDivisionError
    assert not (tmp_path / "n.json").exists()
