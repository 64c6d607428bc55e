"""Figure 5 and tables 1 and 2 from synthetic tables: what is chosen, marked and drawn."""

import json
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure.comparisons import comparisons, read_comparisons
from jointir.measure.families import TABLE1
from jointir.measure.results import COLUMNS
from jointir.measure.speed import chosen, joined, latencies
from jointir.report.figure5 import figure5, pareto, render, sweeps
from jointir.report.formats import latex, mark
from jointir.report.speed_tables import table1, table2
from jointir.report.styles import RC

# system, setting, bytes a document, median ms of one query on one thread, MRR@10
RUNS = [
    ("jpq", "M=16", 16, 0.5, 0.50),
    ("jpq", "M=48", 48, 1.0, 0.56),
    ("opq", "M=48", 48, 1.1, 0.53),
    ("jpq-4bit", "M=96 K=16", 48, 0.2, 0.55),
    ("ivf-jpq", "M=48 nprobe=2", 48, 0.1, 0.40),
    ("ivf-jpq", "M=48 nprobe=8", 48, 0.5, 0.54),
    ("ivf-jpq", "M=48 nprobe=32", 48, 2.0, 0.56),
    ("hnsw", "efSearch=16", 1700, 0.4, 0.55),
    ("hnsw", "efSearch=64", 1700, 0.9, 0.57),
    ("hnsw", "efSearch=256", 1700, 3.0, 0.58),
    ("annoy", "search_k=100", 3000, 4.0, 0.20),
    ("annoy", "search_k=400", 3000, 9.0, 0.30),
    ("brute-force", "", 1536, 8.0, 0.58),
    ("a-new", "M=48 depth=3", 48, 0.6, 0.52),  # which no list of ours names
    ("a-new", "M=48 depth=9", 48, 0.8, 0.51),
]
ADDED = ["ivf-jpq", "hnsw", "annoy", "a-new"]  # figure 5's own
MEASURES = ["MRR@10", "R@100", "nDCG@10"]
QUERIES = 200


@pytest.fixture
def folder(tmp_path):
    """Write results, latency.csv, and per-query values and meta of every run."""
    lines, times = [], []
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, QUERIES)
    for number, (system, setting, per_doc, ms, value) in enumerate(RUNS):
        about = {"dataset": "a", "system": system, "setting": setting}
        for split in ("dev", "test"):
            for measure in MEASURES:
                cells = {"value": value, "low": value, "high": value}
                run = {"split": split, "seed": 1, "bytes_per_doc": per_doc, "measure": measure}
                lines.append(about | run | cells)
        for threads in (1, 2):
            for batch in (1, 32):
                call = ms * batch / threads
                time = {"median_ms": call, "p95_ms": 2 * call, "qps": 1000 * batch / call}
                row = {"threads": threads, "batch": batch, "n_docs": 100, "dim": 8}
                times.append(about | row | {"stage": "search"} | time | {"peak_mb": 10 * number})
        one = {"threads": 1, "batch": 1, "n_docs": 100, "dim": 8, "stage": "encode"}
        times.append(about | one | {"median_ms": 7, "p95_ms": 9, "qps": 140, "peak_mb": 90})
        meta = about | {"seed": 1, "bytes_per_doc": per_doc, "n_docs": 100, "dim": 8}
        meta["bytes"] = {"codes": 100 * per_doc, "codebooks": 5_000}
        (tmp_path / f"{number}.json").write_text(json.dumps(meta))
        own = noise + rng.normal(0, 0.001, QUERIES)
        per_query = [
            {"query_id": f"q{i}", "measure": m, "value": value + own[i]}
            for i in range(QUERIES)
            for m in ("RR@10", "R@100", "nDCG@10")
        ]
        (tmp_path / f"{number}").mkdir()
        pd.DataFrame(per_query).to_parquet(tmp_path / f"{number}/test.parquet")
    table = pd.DataFrame(lines)[COLUMNS]
    for name, own in table.groupby(table["system"].isin(ADDED)):
        file = "results-speed.csv" if name else "results.csv"
        own.to_csv(tmp_path / file, index=False)
    pd.DataFrame(times).to_csv(tmp_path / "latency.csv", index=False)
    return tmp_path


def results(folder) -> list:
    return [folder / "results.csv", folder / "results-speed.csv"]


def metas(folder) -> list:
    return [folder / f"{i}.json" for i in range(len(RUNS))]


def rows(folder) -> pd.DataFrame:
    return joined(results(folder), metas(folder), folder / "latency.csv")


def compare(folder, M=48) -> None:
    values = [folder / f"{i}/test.parquet" for i in range(len(RUNS))]
    more = {"M": M, "results": results(folder), "latency": folder / "latency.csv"}
    comparisons(["table1"], values, metas(folder), folder / "comparisons.csv", **more)


def tables(folder, M=48) -> None:
    compare(folder, M)
    out = {name: folder / f"table1.{name}" for name in ("csv", "md", "tex")}
    told = [results(folder), metas(folder), folder / "comparisons.csv", folder / "latency.csv"]
    table1(*told, M, **out)


def test_each_system_is_shown_at_jpqs_bytes_or_at_its_best_of_those_as_fast(folder):
    table = chosen(rows(folder), 48)
    assert dict(zip(table["system"], table["setting"], strict=True)) == {
        "jpq": "M=48",
        "jpq-4bit": "M=96 K=16",
        "ivf-jpq": "M=48 nprobe=8",  # 32 lists are better, but slower than JPQ
        "opq": "M=48",
        "hnsw": "efSearch=64",
        "annoy": "search_k=100",  # none is as fast: the fastest
        "brute-force": "",
        "a-new": "M=48 depth=3",
    }
    tables(folder)
    compared = read_comparisons(folder / "comparisons.csv", TABLE1)
    told = set(zip(compared["system"], compared["setting"], strict=True)) | {("jpq", "M=48")}
    assert told == set(zip(table["system"], table["setting"], strict=True))
    shown = pd.read_csv(folder / "table1.csv")["system"].tolist()
    assert shown[:2] == ["jpq", "jpq-4bit"] and shown[-1] == "a-new"


def test_an_unknown_m_is_refused(folder):
    with pytest.raises(InputError, match=r"table1\.M: 64 is no M of JPQ on a"):
        chosen(rows(folder), 64)


def test_qps_are_those_of_one_query_on_one_thread(folder):
    found = rows(folder).drop_duplicates(["system", "setting"]).set_index(["system", "setting"])
    expected = {(system, setting): 1000 / ms for system, setting, _, ms, _ in RUNS}
    assert found["qps"].to_dict() == pytest.approx(expected)


def test_a_system_that_was_not_timed(folder):
    times = pd.read_csv(folder / "latency.csv", keep_default_na=False)
    times[times["system"].ne("opq")].to_csv(folder / "latency.csv", index=False)
    with pytest.raises(InputError, match=r"latency\.csv: opq M=48 of a was not timed"):
        rows(folder)


def test_the_front_is_what_nothing_beats():
    rng = np.random.default_rng(0)
    qps, value = rng.integers(0, 9, 60), rng.integers(0, 9, 60)
    expected = [
        not any(
            (q >= qps[i] and v >= value[i]) and (q > qps[i] or v > value[i])
            for q, v in zip(qps, value, strict=True)
        )
        for i in range(60)
    ]
    assert pareto(qps, value).tolist() == expected
    assert 0 < sum(expected) < 60


def test_table1_holds_the_means_and_tells_significance(folder):
    tables(folder)
    table = pd.read_csv(folder / "table1.csv", keep_default_na=False).set_index("system")
    for system, setting in table["setting"].items():
        number = [r[:2] for r in RUNS].index((system, setting))
        assert float(table.loc[system, "MRR@10"]) == RUNS[number][4]  # as in the results
        assert table.loc[system, "index_bytes"] == 100 * RUNS[number][2] + 5_000
    assert table.loc["jpq", "p_holm MRR@10"] == ""
    assert float(table.loc["opq", "p_holm MRR@10"]) < 1e-6
    text = (folder / "table1.md").read_text()
    assert re.search(r"\| OPQ \| M=48 \| 0\.01 \| 0\.53\d\\\*\\\* \|", text)
    assert re.search(r"\| a-new \| M=48 depth=3 \| 0\.01 \| 0\.52\d\\\*\\\* \|", text)
    assert re.search(r"\| HNSW \| efSearch=64 \| 0\.17 \| 0\.57\d\u2020 \|", text)
    tex = (folder / "table1.tex").read_text()
    assert tex.count(r"\\") == 9 and r"\dag{}" in tex and r"search\_k=100" in tex


def test_marks():
    assert [mark(-0.1, p) for p in (0.001, 0.02, 0.06, np.nan)] == ["**", "*", "", ""]
    assert mark(0.1, 0.001) == "†"


def test_runs_over_other_queries_are_refused(folder):
    values = pd.read_parquet(folder / "2/test.parquet")
    values[values["query_id"].ne("q3")].to_parquet(folder / "2/test.parquet")
    with pytest.raises(InputError, match="its queries differ"):
        tables(folder)


def test_table2_tells_encoding_and_search_apart(folder):
    out = {name: folder / f"table2.{name}" for name in ("csv", "md", "tex")}
    compare(folder)
    table2(folder / "comparisons.csv", folder / "latency.csv", 48, **out)
    table = pd.read_csv(out["csv"], keep_default_na=False).set_index("system")
    assert table.loc["jpq", ["encode_median_ms", "encode_p95_ms"]].tolist() == [7, 9]
    assert table.loc["hnsw", ["search_median_ms", "search_p95_ms"]].tolist() == [0.9, 1.8]
    assert table["speed_up"].round(3).to_dict() == {
        system: pytest.approx(8.0 / ms, abs=1e-3)
        for system, setting, _, ms, _ in RUNS
        if table["setting"].get(system) == setting
    }
    assert table.loc["jpq", "qps_batch_all"] == pytest.approx(2 * table.loc["jpq", "qps_batch"])
    assert table.loc["brute-force", "peak_mb"] == 10 * [run[0] for run in RUNS].index("brute-force")
    assert "encode ms, GPU" not in out["md"].read_text()


def test_figure5_draws_each_sweep_and_rings_the_front(folder):
    found = rows(folder)
    found = found[found["split"].eq("test")]
    with matplotlib.rc_context(fname=RC):
        fig = render(found)
    lines = {line.get_label(): line for line in fig.axes[0].lines}
    assert lines["HNSW"].get_xdata().tolist() == pytest.approx([1000 / 0.4, 1000 / 0.9, 1000 / 3])
    assert lines["HNSW"].get_ydata().tolist() == [0.55, 0.57, 0.58]
    front = set(zip(*(x.tolist() for x in lines["Pareto front"].get_data()), strict=True))
    names = {"hnsw efSearch=256", "hnsw efSearch=64", "ivf-jpq M=48 nprobe=2"}
    names |= {"jpq-4bit M=96 K=16"}
    by_name = {f"{s} {t}": (pytest.approx(1000 / ms), v) for s, t, _, ms, v in RUNS}
    assert len(front) == len(names) and all(any(by_name[n] == f for f in front) for n in names)
    assert fig.axes[0].get_xscale() == "log"
    names = [text.get_text() for text in fig.legends[0].get_texts()]
    assert len(names) == len(set(names)) == 9  # eight systems and the front
    assert lines["a-new"].get_ydata().tolist() == [0.52, 0.51]


def test_a_line_for_each_m_and_its_points_in_the_order_of_the_sweep():
    settings = ["M=96 nprobe=8", "M=48 nprobe=16", "M=48 nprobe=2", "M=96 nprobe=1"]
    lines = sweeps(pd.DataFrame({"setting": settings}))
    assert [line["setting"].tolist() for line in lines] == [
        ["M=48 nprobe=2", "M=48 nprobe=16"],
        ["M=96 nprobe=1", "M=96 nprobe=8"],
    ]
    (line,) = sweeps(pd.DataFrame({"setting": ["M=192 K=16", "M=32 K=16", "M=96 K=16"]}))
    assert line["setting"].tolist() == ["M=32 K=16", "M=96 K=16", "M=192 K=16"]


def test_two_renders_are_the_same_bytes(folder):
    outs = [(folder / f"{i}.pdf", folder / f"{i}.png") for i in range(2)]
    for out in outs:
        figure5(results(folder), metas(folder), folder / "latency.csv", *out)
    assert outs[0][0].read_bytes() == outs[1][0].read_bytes()
    assert outs[0][1].read_bytes() == outs[1][1].read_bytes()


def test_latencies_of_two_datasets_become_one_table(folder):
    latencies([folder / "latency.csv"] * 2, folder / "both.csv")
    assert len(pd.read_csv(folder / "both.csv")) == 2 * len(pd.read_csv(folder / "latency.csv"))
    (folder / "bad.csv").write_text("dataset,system\n")
    with pytest.raises(InputError, match=r"bad\.csv: no column 'setting'"):
        latencies([folder / "bad.csv"], folder / "out.csv")


@pytest.fixture
def by_ap(folder):
    """Rename MRR@10 and nDCG@10; have another main measure, by which another setting is best."""
    names = {"MRR@10": "MAP(rel=2)", "RR@10": "AP(rel=2)", "nDCG@10": "MRR(rel=2)@10"}
    for path in results(folder):
        table = pd.read_csv(path, keep_default_na=False)
        table["measure"] = table["measure"].replace(names)
        best = table["measure"].eq("MAP(rel=2)") & table["setting"].eq("efSearch=16")
        table.loc[best, "value"] = 0.9
        table.to_csv(path, index=False)
    for number in range(len(RUNS)):
        values = pd.read_parquet(folder / f"{number}/test.parquet")
        values["measure"] = values["measure"].replace(names | {"nDCG@10": "RR(rel=2)@10"})
        values.to_parquet(folder / f"{number}/test.parquet")
    return folder


def test_settings_are_chosen_by_the_main_measure_and_all_are_listed(by_ap):
    table = chosen(rows(by_ap), 48)
    assert dict(zip(table["system"], table["setting"], strict=True))["hnsw"] == "efSearch=16"
    tables(by_ap)
    titles = (by_ap / "table1.md").read_text().splitlines()[2].strip("| ").split(" | ")
    assert titles[3:] == ["MAP(rel=2)", "R@100", "MRR(rel=2)@10", "queries/s"]
    columns = pd.read_csv(by_ap / "table1.csv").columns.tolist()
    assert [c for c in columns if f"p_holm {c}" in columns] == titles[3:6]
    assert r"queries/s \\" in (by_ap / "table1.tex").read_text()
    found = rows(by_ap)
    with matplotlib.rc_context(fname=RC):
        axes = render(found[found["split"].eq("test")]).axes
    assert [ax.get_ylabel() for ax in axes] == titles[3:6]


def test_latex_escapes_what_a_name_may_hold():
    (line,) = latex(["nDCG(gains={1:3})@10", "AP(judged_only=True)", "a"], [], 1)[2:3]
    assert line == r"nDCG(gains=\{1:3\})@10 & AP(judged\_only=True) & a \\"
