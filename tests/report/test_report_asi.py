"""The generative tables and figures from made-up numbers whose look is known."""

import numpy as np
import pandas as pd
import pytest

from generated import tables
from jointir.basics.errors import InputError
from jointir.data.generated import write_generated
from jointir.data.store import read_corpus, read_qrels
from jointir.generative.ids import write_ids
from jointir.measure.cold_start import categories, cold_start
from jointir.report.asi_appendix import asi_table4, asi_table5
from jointir.report.asi_figure1 import DENSE, GENERATIVE, RESCORED, SPARSE, asi_figure1, points
from jointir.report.asi_figure4 import asi_figure4
from jointir.report.asi_figure5 import branches, telling_words
from jointir.report.asi_figures import asi_figure3, asi_figure6, sharing
from jointir.report.asi_paper import CORRECT_ID, TABLE1
from jointir.report.asi_table1 import asi_table1
from jointir.report.asi_table2 import asi_table2
from jointir.report.asi_table3 import asi_table3
from jointir.report.asi_table7 import asi_table7, drawn, shared
from jointir.report.asi_tables import read_asi
from tiny import N, save_collection

SYSTEMS = ["asi", "asi++", "asi++-pq"]
SHOWN = {"system": SYSTEMS, "sparse": ["bm25"]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Results, comparisons and numbers of `asi_results`: see generated.py."""
    return tables(tmp_path_factory.mktemp("generated"))


@pytest.fixture
def read(files):
    """The two that every report reads."""
    return {name: files[name] for name in ("results", "numbers")}


def parts(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of a page's tables by their headings, each as its cells."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            rows = found[line.lstrip("# ")] = []
        elif line.startswith("| ") and not line.startswith("| ---"):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return {heading: rows[1:] for heading, rows in found.items()}


def test_table1_has_the_papers_groups(files, tmp_path):
    asi_table1(**files, **SHOWN, out=tmp_path / "t.md")
    found = parts((tmp_path / "t.md").read_text())
    assert found["Sparse retrieval"] == [
        ["BM25", "-", *["0.500"] * 4, "-", "3.07", "-", "0.391, 0.691, 0.486"],
        ["SPLADE", *["-"] * 8, "0.453, 0.747, 0.546"],
    ]
    dense = found["Dense retrieval"]
    assert dense[0] == ["brute force (STAR)", "-", *["0.500"] * 4, "4.50", "3.07", "-", "-"]
    assert [row[0] for row in dense[1:]] == ["Sentence-T5", "SimCSE", "GTR-Base"]
    generative = found["Generative retrieval"]
    assert [row[:2] for row in generative[:4]] == [
        ["ASI", "free"],
        ["ASI++", "free"],
        ["ASI++ with PQ", "free"],
        ["DSI-Semantic", "-"],
    ]
    costs = ["5.00", "0.04", "2.5 ± 0.0"]
    assert generative[1] == [
        *("ASI++", "free", *["0.215 ± 0.007"] * 4, *costs, "0.582, 0.833, 0.658")
    ]
    hybrid = found["Hybrid: generated, then ranked by the encoder"]
    assert [row[0] for row in hybrid] == ["ASI", "ASI++", "ASI++ with PQ"]
    assert hybrid[1][1:] == ["hybrid (beam 50)", *["0.715 ± 0.007"] * 4, *WIDER, "-"]
    correct = found["Generative retrieval, correct id"]
    assert correct[1] == [*("ASI++", "free", *["0.315 ± 0.007"] * 4, *costs, "0.611, 0.834, 0.690")]


WIDER = ["5.00", "1.04", "9.0 ± 0.0"]


def test_table1_marks_what_differs_from_asi_plus_decoded_alike(files, tmp_path):
    compared = pd.read_csv(files["comparisons"], keep_default_na=False)
    of = compared["system"].eq("asi") & compared["setting"].eq("free")
    compared["p_holm"] = np.where(of & compared["measure"].eq("R@10"), 0.004, 1.0)
    better = compared["system"].eq("asi++-pq") & compared["setting"].eq("hybrid")
    compared.loc[better & compared["measure"].eq("MRR@10"), "p_holm"] = 0.04
    compared.to_csv(tmp_path / "marked.csv", index=False)
    marked = files | {"comparisons": tmp_path / "marked.csv"}
    asi_table1(**marked, **SHOWN, out=tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    found = parts(text)
    assert found["Generative retrieval"][0][2:6] == [
        *("0.115 ± 0.007", "0.115 ± 0.007", "0.115 ± 0.007\\*\\*", "0.115 ± 0.007")
    ]
    hybrid = found["Hybrid: generated, then ranked by the encoder"]
    assert hybrid[2][2:6] == [*["0.815 ± 0.007"] * 3, "0.815 ± 0.007†"]
    (table, _) = text.split("Dataset d, 2 documents")
    assert (table.count("†"), table.count("\\*")) == (1, 2)


def test_table1_has_every_system_of_the_paper_once_and_in_its_group(files, tmp_path):
    asi_table1(**files, **SHOWN, out=tmp_path / "t.md")
    found = parts((tmp_path / "t.md").read_text())
    for group, numbers in (*TABLE1.items(), ("generative retrieval, correct id", CORRECT_ID)):
        rows = [row for row in found[group.capitalize()] if row[-1] != "-"]
        assert sorted(row[0] for row in rows) == sorted(numbers)
        for row in rows:
            assert row[-1] == ", ".join(f"{value:.3f}" for value in numbers[row[0]])
    (row,) = [row for row in found["Dense retrieval"] if row[0] == "GTR-Base"]
    assert row == ["GTR-Base", *["-"] * 8, "0.462, 0.793, 0.576"]


@pytest.fixture
def with_ngrams(files, tmp_path):
    """The same files with a system that ranks by what its decoder writes, and its hybrid."""
    read = [pd.read_csv(files[name], keep_default_na=False) for name in ("results", "numbers")]
    results, numbers = read
    rows, told = [results], [numbers]
    for setting, more, ms in (("suffix array", 0.1, 20.0), ("hybrid", 0.2, 21.0)):
        own = results[results["system"].eq("brute-force")]
        own = own.assign(system="seal", setting=setting, value=own["value"] + more)
        rows.append(own)
        own = numbers[numbers["system"].eq("brute-force")].assign(system="seal", setting=setting)
        costs = own.iloc[:2].assign(measure=["beam", "ms a query"], value=[15, ms])
        told += [own, costs]
    for name, parts in (("results", rows), ("numbers", told)):
        pd.concat(parts).to_csv(tmp_path / f"{name}.csv", index=False)
    return files | {name: tmp_path / f"{name}.csv" for name in ("results", "numbers")}


def test_table1_has_what_ranks_by_written_ngrams_among_the_generative(with_ngrams, tmp_path):
    asi_table1(**with_ngrams, **SHOWN, out=tmp_path / "t.md")
    found = parts((tmp_path / "t.md").read_text())
    (row,) = [row for row in found["Generative retrieval"] if row[0] == "SEAL"]
    assert row[1:] == [
        *("suffix array", *["0.600"] * 4, "4.50", "3.07", "20.0", "0.288, 0.683, 0.407")
    ]
    (row,) = [r for r in found["Hybrid: generated, then ranked by the encoder"] if r[0] == "SEAL"]
    assert row[1:] == ["hybrid (beam 15)", *["0.700"] * 4, "4.50", "3.07", "21.0", "-"]
    others = [row[0] for name in ("Sparse", "Dense") for row in found[f"{name} retrieval"]]
    assert "SEAL" not in others


def test_figure1_has_what_ranks_by_written_ngrams_among_the_generative(with_ngrams):
    drawn = points(read_asi(with_ngrams["results"], with_ngrams["numbers"]), SYSTEMS, ["bm25"])
    own = {(p.setting, p.group) for p in drawn if p.system == "seal"}
    assert own == {("suffix array", GENERATIVE), ("hybrid", RESCORED)}


def test_table1_shows_the_systems_that_it_is_told(files, tmp_path):
    asi_table1(**files, system=["asi++"], sparse=[], out=tmp_path / "t.md")
    found = parts((tmp_path / "t.md").read_text())
    assert [row[0] for row in found["Generative retrieval"] if row[1] == "free"] == ["ASI++"]
    assert [row[0] for row in found["Dense retrieval"]][:2] == ["brute force (STAR)", "BM25"]


def test_table1_tells_the_corpus_and_the_seeds(files, tmp_path):
    asi_table1(**files, **SHOWN, out=tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    assert "Dataset d, 2 documents" in text and "2 seed(s)" in text
    assert "STAR's encoder, frozen, stands in for T5 or BERT" in text


def test_table2_shows_how_identifiers_use_their_space(read, tmp_path):
    asi_table2(**read, system=SYSTEMS, out=tmp_path / "t.md")
    found = parts((tmp_path / "t.md").read_text())
    space = found["ASI++, table 2: the identifiers"]
    assert space[0][:5] == ["ASI", "1 ± 0", "2.00 ± 0.00", "2 ± 0", "0.000 ± 0.000"]
    assert space[1][:5] == ["ASI++", "2 ± 0", "1.00 ± 0.00", "1 ± 0", "1.000 ± 0.000"]
    assert space[1][6:] == ["12.0 ± 0.0", "-", "1,234,567 ± 0"]  # D/Q free, and with the tree
    bits = found["Entropy in bits (perplexity) of each position"]
    assert bits[1] == ["ASI++", "0.00 ± 0.00 (1)", "1.00 ± 0.00 (2)"]


def test_figure4_names_the_modules(read, tmp_path):
    asi_figure4(**read, out=tmp_path / "t.md")
    rows = parts((tmp_path / "t.md").read_text())["Semantic indexing modules"]
    assert [row[:3] for row in rows] == [
        ["MLP", "free, expectation", "0.215 ± 0.007"],
        ["MLP", "hybrid", "0.715 ± 0.007"],
        ["MLP", "free, correct id", "0.315 ± 0.007"],
        ["PQ", "free, expectation", "0.315 ± 0.007"],
        ["PQ", "hybrid", "0.815 ± 0.007"],
        ["PQ", "free, correct id", "0.415 ± 0.007"],
    ]


def test_table4_shows_our_settings_beside_the_papers(tmp_path):
    told = ["lr=5e-05", "train_decoder.steps=1500", "length=4"]
    asi_table4(told, "d", tmp_path / "t.md")
    rows = parts((tmp_path / "t.md").read_text())["ASI++, table 4: its settings"]
    lr = ["lr", "AdamW's highest learning rate for the encoder", "5e-05", "1e-4"]
    meaning = "L, positions of an identifier; 0: as many digits as are needed"
    length = ["length", meaning, "4", "4"]
    assert sorted(rows[:2]) == [length, lr]
    assert [rows[2][0], *rows[2][2:]] == ["train_decoder.steps", "1500", "-"]
    assert rows[-1] == ["compute", "", "CPU", "MI200 / V100"]
    with pytest.raises(InputError, match=r"--setting: 'length'\. Write name=value"):
        asi_table4(["length"], "d", tmp_path / "u.md")


def test_table5_counts_the_data(tmp_path):
    collection = save_collection(tmp_path / "mine" / "collection")
    asi_table5(collection, tmp_path / "t.md")
    rows = parts((tmp_path / "t.md").read_text())["ASI++, table 5: the data, mine"]
    assert rows[0][:3] == ["documents", str(N), "-"] and rows[0][-1] == "3.2M"
    judged = read_qrels(collection / "qrels" / "train.trec")
    asked = {row.doc_id for row in judged.itertuples() if row.relevance > 0}
    assert rows[1] == ["queries of train", "40", str(len(asked)), "4.0", "367K"]
    assert [row[:2] for row in rows[2:4]] == [["queries of dev", "10"], ["queries of test", "10"]]
    assert rows[4] == ["expansion", "-", "-", "-", "32M"]
    own = read_corpus(collection)["doc_id"].iloc[[1, 1, 3]].to_numpy()
    texts = ["two words", "now three words", "four words in it"]
    queries = pd.DataFrame({"doc_id": own, "text": texts, "rank": [1, 2, 1]})
    write_generated(tmp_path / "queries.parquet", queries)
    asi_table5(collection, tmp_path / "u.md", tmp_path / "queries.parquet")
    rows = parts((tmp_path / "u.md").read_text())["ASI++, table 5: the data, mine"]
    assert rows[4] == ["expansion", "3", "2", "3.0", "32M"]


def test_figure1_tells_groups_and_bytes_apart(files, read, tmp_path):
    found = {p[:2]: p[2:] for p in points(read_asi(**read), SYSTEMS, ["bm25"])}
    assert found == {
        ("bm25", "k1=1.2"): (SPARSE, 3.072, 3.072),
        ("brute-force", ""): (DENSE, 3.072, 3.072 + 4.5),
        **{(s, "free"): (GENERATIVE, 0.04, 5.04) for s in SYSTEMS},
        **{(s, "hybrid"): (RESCORED, 1.04, 6.04) for s in SYSTEMS},
    }
    with pytest.raises(InputError, match="novo has no test rows"):
        asi_figure1(**read, out=tmp_path / "x", png=tmp_path / "y", system=["novo"], sparse=[])


def test_figures_are_drawn_and_repeat(read, tmp_path):
    for name in ("a", "b"):
        asi_figure3(**read, out=tmp_path / f"{name}.pdf", png=tmp_path / f"{name}.png")
        asi_figure1(**read, out=tmp_path / f"1{name}.pdf", png=tmp_path / f"1{name}.png", **SHOWN)
    for figure in ("", "1"):
        assert (tmp_path / f"{figure}a.pdf").read_bytes() == (
            tmp_path / f"{figure}b.pdf"
        ).read_bytes()
        assert (tmp_path / f"{figure}a.png").read_bytes()[:4] == b"\x89PNG"
    ids = [read["results"].parent / f"{s}-1" / "ids.parquet" for s in ("asi", "asi++")]
    asi_figure6(*ids, tmp_path / "6.pdf", tmp_path / "6.png")
    assert (tmp_path / "6.pdf").read_bytes()[:4] == b"%PDF"


def test_results_without_the_ablation_are_refused(read, tmp_path):
    others = {}
    for name, path in read.items():
        rows = pd.read_csv(path)
        rows["system"] = rows["system"] + "-other"
        others[name] = tmp_path / path.name
        rows.to_csv(others[name], index=False)
    with pytest.raises(InputError, match=r"results\.csv.*no system of the ablation"):
        asi_figure3(**others, out=tmp_path / "x.pdf", png=tmp_path / "x.png")
    assert not (tmp_path / "x.pdf").exists()


def test_files_that_do_not_belong_together_are_refused(read, tmp_path):
    numbers = pd.read_csv(read["numbers"], keep_default_na=False)
    numbers["system"] = "other"
    numbers.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match="no system of its test rows has identifiers in"):
        read_asi(read["results"], tmp_path / "other.csv")
    numbers.drop(columns="split").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(InputError, match="Rerun asi-results: expected dataset, split"):
        read_asi(read["results"], tmp_path / "short.csv")


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
