"""Results by groups of queries: which query is in which, what is computed within one, its words."""

import json
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from jointir.basics.errors import InputError
from jointir.data.dataset import Dataset, write_dataset
from jointir.measure.groups import groups, query_groups, read_groups
from jointir.report.group_table import groups_table

HEAD = "module,package,repository,since,why\n"
OLD, NEW = "old,old-lib,example.org/old,2019,known\n", "new,new-lib,example.org/new,2019-10,known\n"
QRELS = [  # split, query, document, relevance
    ("train", "t1", "old.a", 1),
    ("train", "t2", "new.c", 2),
    ("train", "t3", "old.b", 0),  # judged, but not relevant
    ("train", "t3", "old.a", 1),
    ("test", "q1", "old.a", 1),
    ("test", "q2", "old.b", 1),
    ("test", "q3", "new.d", 1),
    ("test", "q4", "old.a", 1),
    ("test", "q4", "new.d", 2),
    ("test", "q5", "old.a", 1),
    ("test", "q5", "old.b", 1),
    ("test", "q6", "new.c", 0),
    ("test", "q6", "gone", 1),  # not in the corpus: nothing finds it
    ("test", "q7", "new.c", 1),
    ("test", "q7", "old.b", 0),  # not relevant: q7 is of new.c alone
]
IDS = [f"q{i}" for i in range(1, 8)]
GROUPS = {  # of q1 to q7
    "all": ["all"] * 7,
    "train query": ["with", "without", "without", "mixed", "mixed", "none", "with"],
    "codesearchnet": [
        "possible",
        "possible",
        "impossible",
        "mixed",
        "possible",
        "none",
        "impossible",
    ],
}
VALUES = {  # of q1 to q7
    ("brute-force", 16): [1.0, 0.5, 0.2, 0.3, 0.4, 0.0, 0.6],
    ("brute-force-pretrained", 16): [0.5, 0.5, 0.1, 0.3, 0.2, 0.0, 0.4],
    ("dpq", 2): [0.9, 0.3, 0.5, 0.1, 0.0, 0.0, 0.4],
    ("jpq", 2): [1.0, 0.5, 0.25, 0.5, 0.75, 0.0, 0.5],
    ("jpq", 4): [1.0, 1.0, 0.25, 0.5, 0.75, 0.0, 0.5],  # no OPQ of its size
    ("opq", 2): [0.5, 0.1, 0.25, 0.5, 0.25, 0.0, 0.2],
}


@pytest.fixture
def collection(tmp_path) -> Path:
    docs = ["old.a", "old.b", "new.c", "new.d"]
    corpus = pd.DataFrame({"doc_id": docs, "title": docs, "text": "text"})
    qrels = pd.DataFrame(QRELS, columns=["split", "query_id", "doc_id", "relevance"])
    queries = qrels[["query_id", "split"]].drop_duplicates().assign(text="words")
    write_dataset(Dataset([corpus], queries, qrels), tmp_path / "collection", "toy")
    return tmp_path / "collection"


@pytest.fixture
def packages(tmp_path) -> Path:
    path = tmp_path / "packages.csv"
    path.write_text(f"# a comment\n{HEAD}{OLD}{NEW}")
    return path


def write(folder: Path, system: str, size: int, values: list[float], seed: int = 1) -> list[Path]:
    folder = folder / f"{system}{size}-{seed}"
    folder.mkdir()
    meta = {"dataset": "toy", "system": system, "setting": f"M={size}", "seed": seed}
    meta |= {"bytes_per_doc": size, "n_docs": 4, "dim": 4, "bytes": {}}
    (folder / "meta.json").write_text(json.dumps(meta))
    rows = [(f"q{i}", "RR@10", v) for i, v in enumerate(values, 1)]
    pd.DataFrame(rows, columns=["query_id", "measure", "value"]).to_parquet(folder / "test.parquet")
    return [folder / "test.parquet", folder / "meta.json"]


STARTS = ["jpq=opq", "jpq-4bit=opq-4bit", "dpq=opq", "adore=brute-force"]
STARTS += ["brute-force=brute-force-pretrained"]


def made(folder: Path, files: list[list[Path]], **options: object) -> pd.DataFrame:
    per_query, meta = map(list, zip(*files, strict=True))
    given = {"start": STARTS} | options
    groups(per_query, meta, out=folder / "groups.csv", samples=200, seed=1, **given)
    return read_groups(folder / "groups.csv")


@pytest.fixture
def table(tmp_path, collection, packages) -> pd.DataFrame:
    files = [write(tmp_path, *key, values) for key, values in VALUES.items()]
    options = {"collection": [f"toy={collection}"], "packages": [f"toy={packages}"]}
    return made(tmp_path, files, **options)


def of_group(values: list[float], grouping: str, group: str) -> list[float]:
    return [v for v, own in zip(values, GROUPS[grouping], strict=True) if own == group]


def test_a_query_has_the_group_that_all_its_relevant_documents_have():
    rows = [row[1:] for row in QRELS if row[0] == "test" and row[2] != "gone"]
    qrels = pd.DataFrame(rows, columns=["query_id", "doc_id", "relevance"])
    first = query_groups(qrels, {"old.a": "A", "old.b": "A", "new.c": "B", "new.d": "B"}.get)
    assert first.index.tolist() == IDS
    assert first.tolist() == ["A", "A", "B", "mixed", "A", "none", "B"]


@pytest.mark.parametrize("grouping", ["train query", "codesearchnet"])
def test_the_values_of_each_group_are_those_of_its_queries(table, grouping):
    own = table[table["grouping"].eq(grouping)]
    order = list(dict.fromkeys(own["group"]))
    wanted = {"train query": ["with", "without"], "codesearchnet": ["possible", "impossible"]}
    assert order == [*wanted[grouping], "mixed", "none"]
    assert set(own["measure"]) == {"MRR@10"}
    assert len(own) == 4 * len(VALUES)
    for row in own.itertuples():
        values = of_group(VALUES[row.system, row.bytes_per_doc], grouping, row.group)
        assert row.n_queries == len(values)
        assert row.value == pytest.approx(sum(values) / len(values), abs=1e-6)
        assert min(values) <= row.low <= row.value + 1e-6
        assert row.value - 1e-6 <= row.high <= max(values)
        if row.n_queries == 1:
            assert row.low == row.value == row.high


def test_values_worked_out_by_hand(table):
    rows = table.set_index(["grouping", "group", "system", "bytes_per_doc"])
    assert rows.loc[("all", "all", "jpq", 2), "n_queries"] == 7  # q6 too, of no relevant document
    assert rows.loc[("all", "all", "jpq", 2), "value"] == 0.5  # 3.5 of 7
    assert rows.loc[("all", "all", "jpq", 2), "difference"] == pytest.approx(1.7 / 7, abs=1e-6)
    assert rows.loc[("train query", "with", "jpq", 2), "value"] == 0.75  # q1 1, q7 .5
    assert rows.loc[("train query", "with", "opq", 2), "value"] == 0.35  # .5, .2
    assert rows.loc[("train query", "with", "jpq", 2), "difference"] == 0.4
    assert rows.loc[("codesearchnet", "possible", "jpq", 2), "value"] == 0.75  # 1, .5, .75
    assert rows.loc[("codesearchnet", "impossible", "opq", 2), "value"] == 0.225  # .25, .2
    assert rows.loc[("codesearchnet", "none", "jpq", 2), "value"] == 0.0


@pytest.mark.parametrize(("grouping", "group"), [("codesearchnet", "possible"), ("all", "all")])
def test_training_is_tested_within_the_group_and_holm_corrects_there(table, grouping, group):
    own = table[table["grouping"].eq(grouping) & table["group"].eq(group)]
    rows = own.set_index(["system", "bytes_per_doc"])
    pairs = {("brute-force", 16): "brute-force-pretrained", ("jpq", 2): "opq", ("dpq", 2): "opq"}
    size = {"brute-force-pretrained": 16, "opq": 2}
    p = {
        key: ttest_rel(
            of_group(VALUES[key], grouping, group),
            of_group(VALUES[base, size[base]], grouping, group),
        ).pvalue
        for key, base in pairs.items()
    }
    # three tests: the smallest p times 3, the next times 2, none below the one before
    highest = 0.0
    for key, factor in zip(sorted(p, key=p.get), (3, 2, 1), strict=True):
        highest = max(highest, min(1.0, factor * p[key]))
        assert rows.loc[key, "p_holm"] == pytest.approx(highest, rel=5e-3)
        assert rows.loc[key, "against"] == pairs[key]
    rest = rows.drop(index=list(pairs))
    assert sorted(rest.index) == [("brute-force-pretrained", 16), ("jpq", 4), ("opq", 2)]
    assert rest[["difference", "p_holm"]].isna().all(axis=None)
    assert set(rest["against"]) == {""}


def test_what_a_system_starts_from_is_that_of_its_seed_else_the_first(tmp_path, collection):
    start = {1: [0.1] * 7, 2: [0.2] * 7}
    files = [write(tmp_path, "opq", 2, values, seed) for seed, values in start.items()]
    files += [
        write(tmp_path, "jpq", 2, [0.5, 0.5, 0.6, 0.5, 0.6, 0.5, 0.6], seed) for seed in (2, 3)
    ]
    table = made(tmp_path, files, collection=[f"toy={collection}"])
    own = table[table["system"].eq("jpq") & table["group"].eq("with")]
    assert own.set_index("seed")["difference"].to_dict() == {2: 0.35, 3: 0.45}


def test_without_packages_there_is_no_grouping_by_them(tmp_path, collection):
    table = made(tmp_path, [write(tmp_path, "jpq", 2, [0.5] * 7)], collection=[f"toy={collection}"])
    assert set(table["grouping"]) == {"all", "train query"}


def test_every_measure_has_its_own_rows(tmp_path, collection):
    file, meta = write(tmp_path, "jpq", 2, [0.5] * 7)
    rows = pd.read_parquet(file)
    pd.concat([rows, rows.assign(measure="R@100", value=1.0)]).to_parquet(file)
    table = made(tmp_path, [[file, meta]], collection=[f"toy={collection}"])
    own = table[table["group"].eq("mixed")]
    assert own.set_index("measure")["value"].to_dict() == {"MRR@10": 0.5, "R@100": 1.0}


def test_the_main_measure_comes_first_in_every_group(tmp_path, collection):
    file, meta = write(tmp_path, "jpq", 2, [0.5] * 7)
    rows = pd.read_parquet(file)
    pd.concat([rows.assign(measure="nDCG@10"), rows, rows.assign(measure="AP")]).to_parquet(file)
    table = made(tmp_path, [[file, meta]], collection=[f"toy={collection}"])
    for _, own in table.groupby(["grouping", "group"]):
        assert own["measure"].tolist() == ["nDCG@10", "MRR@10", "MAP"]


def test_adore_is_tested_against_the_encoder_that_it_learned_on_from(tmp_path, collection):
    values = {"brute-force": [0.5] * 7, "adore": [0.4, 0.6, 0.9, 0.8, 0.5, 0.7, 0.9]}
    files = [write(tmp_path, system, 16, own) for system, own in values.items()]
    table = made(tmp_path, files, collection=[f"toy={collection}"])
    row = table[table["system"].eq("adore") & table["group"].eq("all")].iloc[0]
    assert row["against"] == "brute-force"
    assert row["difference"] == pytest.approx(1.3 / 7, abs=1e-6)
    p = ttest_rel(values["adore"], values["brute-force"]).pvalue  # one test: nothing to correct
    assert row["p_holm"] == pytest.approx(p, rel=5e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"collection": []}, "collection: dataset 'toy' has none"),
        ({"collection": ["toy"]}, "collection: 'toy'"),
        ({"collection": ["toy=a", "toy=b"]}, "collection: 'toy=b'"),
        ({"collection": ["other=a"]}, r"no run is of dataset 'other'. Use \['toy'\]"),
        ({"packages": ["other=a"]}, r"packages: no run is of dataset 'other'. Use \['toy'\]"),
        ({"packages": ["toy=nowhere.csv"]}, "nowhere.csv: there is no such file"),
        ({"collection": ["toy=nowhere"]}, "train.trec: there is no such file"),
    ],
    ids=str,
)
def test_bad_options_are_refused(tmp_path, collection, packages, change, words):
    options = {"collection": [f"toy={collection}"], "packages": [f"toy={packages}"]} | change
    with pytest.raises(InputError, match=words):
        made(tmp_path, [write(tmp_path, "jpq", 2, [0.5] * 7)], **options)
    assert not (tmp_path / "groups.csv").exists()


def test_a_module_that_is_not_listed_is_refused(tmp_path, collection, packages):
    packages.write_text(HEAD + OLD)
    options = {"collection": [f"toy={collection}"], "packages": [f"toy={packages}"]}
    with pytest.raises(InputError, match=r"packages.csv: module 'new' of .*collection is not list"):
        made(tmp_path, [write(tmp_path, "jpq", 2, [0.5] * 7)], **options)


def test_a_query_that_is_not_judged_is_refused(tmp_path, collection):
    with pytest.raises(InputError, match=r"test.parquet: query 'q8' has no judgement"):
        options = {"collection": [f"toy={collection}"]}
        made(tmp_path, [write(tmp_path, "jpq", 2, [0.5] * 8)], **options)


def test_the_markdown_has_a_column_for_each_group(tmp_path, table):
    groups_table(tmp_path / "groups.csv", tmp_path / "groups.md")
    lines = (tmp_path / "groups.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "### toy, test: codesearchnet",
        "#### MRR@10",
        "### toy, test: train query",
        "#### MRR@10",
    ]
    titles = "| system | setting | bytes a document "
    groups = ["possible (3 queries)", "impossible (2 queries)", "mixed (1 query)", "none (1 query)"]
    assert f"{titles}| {' | '.join(groups)} |" in lines
    opq = next(line for line in lines if line.startswith("| OPQ | M=2 | 2 |"))
    values = [cell.split()[0] for cell in opq.split(" | ")[3:]]
    assert values == ["0.283", "0.225", "0.500", "0.000"]
    text = "\n".join(lines)
    assert "*mixed*: relevant documents of both groups. *none*: no relevant document is in" in text
    assert "cannot have seen the repositories of the group *impossible*" in text
    assert lines[-1].startswith("Brackets: 95% bootstrap interval over the group's queries.")
    told = "(JPQ against OPQ, DPQ against OPQ, brute force (STAR) against brute force (untrained))"
    assert told in text


@pytest.mark.parametrize(
    ("trained", "cell"),  # of q2 and q3; OPQ has .3 twice
    [
        ([0.5, 0.502], "0.501 [0.500, 0.502]\\*\\*"),
        ([0.5, 0.51], "0.505 [0.500, 0.510]\\*"),
        ([0.5, 0.6], "0.550 [0.500, 0.600]"),  # p = .126
        ([0.1, 0.102], "0.101 [0.100, 0.102]†"),
        ([0.3, 0.3], "0.300 [0.300, 0.300]"),
    ],
)
def test_the_markdown_marks_what_training_changed(tmp_path, collection, trained, cell):
    files = [write(tmp_path, "opq", 2, [0.3] * 7)]
    files += [write(tmp_path, "jpq", 2, [0.3, *trained, 0.3, 0.3, 0.3, 0.3])]
    made(tmp_path, files, collection=[f"toy={collection}"])
    groups_table(tmp_path / "groups.csv", tmp_path / "groups.md")
    lines = (tmp_path / "groups.md").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("| JPQ | M=2 |"))
    assert line.split(" | ")[4] == cell


def test_a_grouping_of_one_group_is_told_in_one_line(tmp_path, collection, packages):
    packages.write_text(HEAD + OLD + NEW.replace("2019-10", "2001"))
    options = {"collection": [f"toy={collection}"], "packages": [f"toy={packages}"]}
    file, meta = write(tmp_path, "jpq", 2, [0.5] * 7)
    rows = pd.read_parquet(file)
    rows[rows["query_id"].ne("q6")].to_parquet(file)  # q6 has no relevant document
    made(tmp_path, [[file, meta]], **options)
    groups_table(tmp_path / "groups.csv", tmp_path / "groups.md")
    text = (tmp_path / "groups.md").read_text()
    section = text.split("### toy, test: codesearchnet\n\n")[1].split("\n\n###")[0]
    assert section.endswith(" All 6 queries are in the group *possible*.")
    assert "|" not in section
    assert len(section.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((",all,all,", ",all,mixed,"), "grouping 'all' with a group 'mixed' is not known"),
        ((",with,", ",some,"), "grouping 'train query' with a group 'some' is not known"),
        (("train query,", "age,"), "grouping 'age' with a group 'mixed' is not known"),
        ((",0.500000,", ",half,"), "pandas cannot read it"),
        ((",with,2,", ",with,,"), "pandas cannot read it"),
    ],
    ids=str,
)
def test_a_damaged_table_is_refused(tmp_path, collection, change, words):
    made(tmp_path, [write(tmp_path, "jpq", 2, [0.5] * 7)], collection=[f"toy={collection}"])
    table = tmp_path / "groups.csv"
    assert change[0] in table.read_text()
    table.write_text(table.read_text().replace(*change))
    with pytest.raises(InputError, match=f"groups.csv: .*{words}"):
        groups_table(table, tmp_path / "groups.md")


def test_a_table_without_the_test_split_is_refused(tmp_path, collection):
    file, meta = write(tmp_path, "jpq", 2, [0.5] * 7)
    made(tmp_path, [[file, meta]], collection=[f"toy={collection}"])
    table = tmp_path / "groups.csv"
    table.write_text(table.read_text().replace(",test,", ",dev,"))
    with pytest.raises(InputError, match=r"groups.csv: no row of the test split"):
        groups_table(table, tmp_path / "groups.md")
    table.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"groups.csv: has no column 'dataset'"):
        groups_table(table, tmp_path / "groups.md")


def test_a_start_is_named_with_its_system(tmp_path, collection):
    files = [write(tmp_path, *key, values) for key, values in VALUES.items()]
    with pytest.raises(InputError, match=r"start: 'jpq'\. Give it as SYSTEM=OTHER"):
        made(tmp_path, files, collection=[f"toy={collection}"], start=["jpq"])
