"""The generative tables and figures from made-up numbers whose look is known."""

import numpy as np
import pandas as pd
import pytest

from jointir.errors import InputError
from jointir.files import write_json
from jointir.generative.ids import write_ids
from jointir.measure.cold_start import categories, cold_start
from jointir.measure.identifiers import asi_results, id_statistics
from jointir.report.asi_figure5 import branches, telling_words
from jointir.report.asi_figures import asi_figure3, asi_figure6, sharing
from jointir.report.asi_paper import TABLE1
from jointir.report.asi_table1 import asi_table1
from jointir.report.asi_table7 import asi_table7, drawn, shared
from jointir.report.asi_tables import asi_table3, asi_table4


def test_statistics_of_the_id_space():
    ids = np.array([[0, 1], [0, 1], [1, 1], [2, 3]])
    found = id_statistics(ids, V=4)
    assert found["unique ids"] == 3 and found["documents an id, max"] == 2
    assert found["documents an id, mean"] == pytest.approx(4 / 3)
    assert found["alone"] == 0.5
    assert found["empty share"] == 1 - 3 / 16
    assert found["entropy 1"] == pytest.approx(1.5)  # 1/2, 1/4, 1/4
    assert found["perplexity 1"] == pytest.approx(2**1.5)


@pytest.fixture
def results(tmp_path):
    """asi.csv of three systems with two seeds; seed s of system k scores k/10 + s/100."""
    files: dict[str, list] = {"ids": [], "meta": [], "per_query": []}
    for k, system in enumerate(["asi", "asi++", "asi++-pq"], 1):
        for seed in (1, 2):
            folder = tmp_path / f"{system}-{seed}"
            folder.mkdir()
            ids = pd.DataFrame({"doc_id": ["a", "b"], "id_1": [0, 0], "id_2": [1, k % 2]})
            ids.to_parquet(folder / "ids.parquet")
            facts = {"dataset": "d", "system": system, "seed": seed, "parameters": 1234567}
            facts["beam"] = {"free": 10, "hybrid": 50}
            facts["ms_per_query"] = {"free": 2.5, "hybrid": 9}
            parts = {"model": 5_000_000, "identifiers": 40_000, "embeddings": 0}
            facts["bytes"] = {"free": parts, "hybrid": parts | {"embeddings": 1_000_000}}
            write_json(folder / "meta.json", facts)
            value = k / 10 + seed / 100
            rows = [
                ("test", decoding, q, f"{m} {reading}", value + 0.5 * (decoding == "hybrid"))
                for q in ("q1", "q2")
                for m in ("R@1", "R@5", "R@10", "RR@10")
                for decoding, reading in (
                    ("free", "correct id"),
                    ("free", "expectation"),
                    ("hybrid", "documents"),
                )
            ]
            rows += [("test", "free", q, "documents a query", 12.0) for q in ("q1", "q2")]
            columns = ["split", "decoding", "query_id", "measure", "value"]
            pd.DataFrame(rows, columns=columns).to_parquet(folder / "values.parquet")
            names = ("ids.parquet", "meta.json", "values.parquet")
            for key, name in zip(files, names, strict=True):
                files[key].append(folder / name)
    asi_results(**files, out=tmp_path / "asi.csv", vocabulary=[4, 4, 4, 0, 8, 8])
    return tmp_path / "asi.csv"


def test_results_hold_every_number_once(results):
    rows = pd.read_csv(results, keep_default_na=False)
    key = ["dataset", "split", "system", "setting", "seed", "measure"]
    assert not rows.duplicated(key).any()
    one = rows.set_index(key).loc[("d", "test", "asi++", "free", 2, "R@10 expectation")]
    assert [float(one[c]) for c in ("value", "low", "high")] == pytest.approx([0.22] * 3)
    of_hybrid = (
        rows.set_index(key).sort_index().loc[("d", "", "asi++", "hybrid", 2)]["value"].astype(float)
    )
    parts = ["model bytes", "identifiers bytes", "embeddings bytes", "beam", "ms a query"]
    assert of_hybrid[parts].tolist() == [5_000_000, 40_000, 1_000_000, 50, 9]


def test_each_training_has_a_vocabulary_of_its_own(results):
    rows = pd.read_csv(results, keep_default_na=False)
    own = rows[rows["measure"].eq("empty share") & rows["setting"].eq("free")]
    found = {(r.system, r.seed): float(r.value) for r in own.itertuples()}
    # 4, 4, as many as there are, which is 2, and 8
    assert found["asi", 2] == 1 - 1 / 4**2 and found["asi++", 1] == 1 - 2 / 4**2
    assert found["asi++", 2] == 1 - 2 / 2**2 and found["asi++-pq", 1] == 1 - 1 / 8**2


def test_results_want_a_vocabulary_of_each(tmp_path):
    files = {name: [tmp_path / name] for name in ("ids", "meta", "per_query")}
    line = "1 ids, 1 meta and 1 per-query files and 2 vocabularies. Name these of each run"
    with pytest.raises(InputError, match=line):
        asi_results(**files, out=tmp_path / "asi.csv", vocabulary=[4, 4])


@pytest.fixture
def ranked(tmp_path):
    """Values and facts of BM25 and of a dense system, and the encoder of the latter."""
    measures, facts = [], []
    for system, dim in (("bm25", 0), ("brute-force", 384)):
        folder = tmp_path / system
        folder.mkdir()
        rows = [("q", m, 0.5) for m in ("R@1", "R@5", "R@10", "RR@10")]
        values = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
        values.to_parquet(folder / "test.parquet")
        about = {"dataset": "d", "system": system, "setting": "", "seed": 0, "bytes_per_doc": 1536}
        about |= {"n_docs": 2, "dim": dim, "bytes": {"codes": 3_000_000, "other": 72_000}}
        write_json(folder / "meta.json", about)
        measures.append(folder / "test.parquet")
        facts.append(folder / "meta.json")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(bytes(4_500_000))
    return {"baseline": measures, "meta": facts, "encoder": tmp_path / "encoder"}


def test_table1_shows_means_over_seeds_in_both_readings(results, ranked, tmp_path):
    asi_table1(results, tmp_path / "t.md", **ranked)
    text = (tmp_path / "t.md").read_text()
    costs = "4.50 | 3.07 | - | - |"
    assert f"| brute force (STAR) | documents | 0.500 | 0.500 | 0.500 | 0.500 | {costs}" in text
    paper = "0.391, 0.691, 0.486"
    assert f"| BM25 | documents | 0.500 | 0.500 | 0.500 | 0.500 | - | 3.07 | - | {paper} |" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| ASI++ | expectation, free")]
    assert row.count("0.215 ± 0.007") == 4
    assert row.endswith("| 5.00 | 0.04 | 2.5 ± 0.0 | 0.582, 0.833, 0.658 |")
    (row,) = [line for line in text.splitlines() if line.startswith("| ASI++ | documents, hybrid")]
    assert row.startswith("| ASI++ | documents, hybrid (beam 50, rescored) | 0.715 ± 0.007 |")
    assert row.endswith("| 5.00 | 1.04 | 9.0 ± 0.0 | - |")
    assert "Dataset d, 2 documents" in text and "2 seed(s)" in text
    assert "| ASI | 1 ± 0 | 2.00 ± 0.00 | 2 ± 0 | 0.000 ± 0.000 |" in text
    assert "| ASI++ | 2 ± 0 | 1.00 ± 0.00 | 1 ± 0 | 1.000 ± 0.000 |" in text
    assert "| 12.0 ± 0.0 | 1,234,567 ± 0 |" in text
    assert "STAR's encoder, frozen, stands in for T5 or BERT" in text


def test_table1_has_every_system_of_the_paper_once(results, ranked, tmp_path):
    asi_table1(results, tmp_path / "t.md", **ranked)
    lines = (tmp_path / "t.md").read_text().splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:2] == "| "]
    shown = [tuple(row[:2]) for row in rows if row[-1].count(",") == 2 and row[-1][:2] == "0."]
    assert sorted(shown) == sorted(TABLE1)
    (row,) = [row for row in rows if row[0] == "GTR-Base"]
    assert row == ["GTR-Base", "documents", *["-"] * 7, "0.462, 0.793, 0.576"]


def test_table1_wants_the_facts_of_each_baseline(results, ranked, tmp_path):
    with pytest.raises(InputError, match="2 baselines, 1 meta files"):
        asi_table1(results, tmp_path / "t.md", **ranked | {"meta": ranked["meta"][:1]})
    with pytest.raises(InputError, match="holds no weights"):
        asi_table1(results, tmp_path / "t.md", **ranked | {"encoder": tmp_path / "bm25"})
    assert not (tmp_path / "t.md").exists()


def test_table4_names_the_modules(results, tmp_path):
    asi_table4(results, tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    assert (
        "| MLP | expectation, free | 0.215" in text and "| PQ | expectation, free | 0.315" in text
    )
    assert "| PQ | documents, hybrid (beam 50, rescored) | 0.815" in text


def test_figures_are_drawn_and_repeat(results, tmp_path):
    for name in ("a", "b"):
        asi_figure3(results, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    ids = [results.parent / f"{s}-1" / "ids.parquet" for s in ("asi", "asi++")]
    asi_figure6(*ids, tmp_path / "6.pdf", tmp_path / "6.png")
    assert (tmp_path / "6.pdf").read_bytes()[:4] == b"%PDF"


def test_results_without_the_ablation_are_refused(results, tmp_path):
    rows = pd.read_csv(results)
    rows["system"] = "other"
    rows.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"other\.csv.*no system of the ablation"):
        asi_figure3(tmp_path / "other.csv", tmp_path / "x.pdf", tmp_path / "x.png")
    assert not (tmp_path / "x.pdf").exists()


def test_sharing_counts_the_documents_of_each_identifier():
    assert sorted(sharing(["a", "a", "b", "c", "c", "c"]).tolist()) == [1, 2, 2, 3, 3, 3]


def test_words_tell_a_branch_from_its_siblings():
    texts = ["matrix inverse numpy", "matrix inverse numpy", "plot axis numpy", "plot axis numpy"]
    found = telling_words(texts, np.array([5, 5, 9, 9]))
    assert set(found[5][:2]) == {"matrix", "inverse"} and set(found[9][:2]) == {"plot", "axis"}


def test_branches_go_down_the_tree():
    ids = np.array([[1, 2, 3], [1, 2, 4], [1, 5, 0], [7, 7, 7]])
    texts = [f"word{'abcd'[i]} common" for i in range(4)]
    lines = branches(ids, texts, list("wxyz"))
    assert [line[1] for line in lines if line[0] == 0] == [(1,), (7,)]
    counts = {prefix: count for depth, prefix, _, count in lines if depth < 3}
    assert counts[(1,)] == 3 and counts[(1, 2)] == 2 and counts[(1, 2, 3)] == 1


def test_table7_shows_documents_that_share_an_identifier(tmp_path):
    titles = ["inverse of a matrix", "a matrix | its inverse", "plot an axis", "", "alone", "other"]
    texts = ["numpy", "numpy linalg", "matplotlib axis", "plot " * 30, "alone", "other"]
    corpus = pd.DataFrame({"doc_id": [f"d{i}" for i in range(6)], "title": titles, "text": texts})
    corpus.to_parquet(tmp_path / "corpus.parquet")
    codes = np.array([[1, 2], [1, 2], [0, 3], [0, 3], [1, 3], [0, 2]])
    write_ids(tmp_path / "ids.parquet", corpus["doc_id"], codes)
    asi_table7(tmp_path, tmp_path / "ids.parquet", tmp_path / "t.md")
    rows = [line for line in (tmp_path / "t.md").read_text().splitlines() if line[:2] == "| "]
    assert rows[2:] == [
        "| 0-3 | 2 | plot | plot an axis; d3 |",
        "| 1-2 | 2 | inverse, matrix, numpy | inverse of a matrix; a matrix \\| its inverse |",
    ]
    assert "2 of the 2 identifiers" in (tmp_path / "t.md").read_text()


def test_table7_draws_five_identifiers_and_none_of_one_document():
    ids = np.repeat(np.arange(40), 2)[:, None]  # 40 pairs
    groups = shared(np.concatenate([ids, [[40], [41]]]))
    assert [rows.tolist() for rows in groups] == [[2 * i, 2 * i + 1] for i in range(40)]
    first = [rows[0] for rows in drawn(groups)]
    assert len(first) == 5 and first == sorted(first) != [0, 2, 4, 6, 8]
    assert [rows[0] for rows in drawn(groups)] == first
    assert shared(np.arange(5)[:, None]) == []


def test_categories_of_the_cold_start():
    found = categories(["a", "b", "a", "c"], seen=np.array([0, 1]))
    assert found.tolist() == ["existing", "existing", "new content", "new semantic"]


def test_cold_start_table(tmp_path):
    ids = pd.DataFrame({"doc_id": [f"d{i}" for i in range(10)], "id_1": range(10)})
    ids.to_parquet(tmp_path / "ids.parquet")
    judged = "".join(f"q{i} 0 d{i} 1\n" for i in range(10))
    # a document that is not in the corpus is of no category
    (tmp_path / "test.trec").write_text(f"{judged}q0 0 nowhere 1\nq99 0 nowhere 1\n")
    names = ["R@1 correct id", "R@1 expectation", "R@5 expectation", "R@10 expectation"]
    names += ["R@5 correct id", "R@10 correct id", "documents a query"]
    rows = [("test", "free", f"q{i}", m, 1.0) for i in range(10) for m in names]
    columns = ["split", "decoding", "query_id", "measure", "value"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "v.parquet")
    paths = [tmp_path / n for n in ("ids.parquet", "test.trec", "v.parquet", "cold.csv")]
    cold_start(*paths, holdout=0.3, seed=1)
    table = pd.read_csv(tmp_path / "cold.csv").set_index(["category", "measure"])
    assert table.loc[("existing", "R@1 expectation"), "queries"] == 7
    assert table.loc[("new semantic", "R@1 expectation"), "queries"] == 3
    asi_table3([tmp_path / "cold.csv"], [tmp_path / "cold.csv"], tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    assert "| ASI++ | existing | 7 | expectation | 1.000 | 1.000 | 1.000 | 1.0 |" in text
    assert "| ASI | new content | 0 | expectation | - |" in text
