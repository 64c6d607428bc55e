import json

import pytest

from jointir.basics.errors import InputError
from jointir.measure import comparisons
from jointir.measure.families import FIGURE4
from jointir.measure.groups import COLUMNS
from jointir.report.tables import figure4_table, metrics, sizes

HEADER = "dataset,split,system,setting,seed,bytes_per_doc,measure,value,low,high"
ROWS = [
    "toy,dev,jpq,M=2,0,2,MRR@10,0.9,0.8,1.0",
    "toy,test,jpq,M=2,0,2,MRR@10,0.4,0.35,0.45",
    "toy,test,jpq,M=2,0,2,R@100,0.8,0.7,0.9",
    "toy,test,opq,M=2,0,2,MRR@10,0.3,0.25,0.35",
    "toy,test,opq,M=2,0,2,R@100,0.85,0.7,0.9",
    "toy,test,pq,M=2,0,2,MRR@10,0.35,0.25,0.4",
    "toy,test,pq,M=2,0,2,R@100,0.79,0.7,0.9",
    "toy,test,brute-force,,0,16,MRR@10,0.5,0.4,0.6",
]
COMPARED = [  # split, measure, system, difference from JPQ at 2 bytes, p_holm
    ("dev", "MRR@10", "pq", 0.05, 0.001),
    ("test", "MRR@10", "opq", -0.1, 0.004),
    ("test", "R@100", "opq", 0.05, 0.03),
    ("test", "MRR@10", "pq", -0.05, 0.02),
    ("test", "R@100", "pq", -0.01, 0.2),
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


def meta(path, system, setting, size, parts, seed=0):
    about = {"dataset": "toy", "system": system, "setting": setting, "seed": seed}
    about |= {"bytes_per_doc": size, "n_docs": 1000, "dim": 4, "bytes": parts}
    path.write_text(json.dumps(about))
    return path


# system, bytes a document, measure, against, difference, p_holm: of all queries of test
PAIRS = [
    ("jpq", 2, "MRR@10", "opq", 0.1, 0.004),
    ("jpq", 2, "R@100", "opq", -0.05, 0.03),
    ("jpq", 4, "MRR@10", "opq", 0.1, 0.004),
    ("jpq", 4, "R@100", "opq", -0.05, 0.05),
    ("jpq-4bit", 2, "MRR@10", "opq-4bit", 0.1, 0.2),
    ("opq", 2, "MRR@10", "", "", ""),
]


@pytest.fixture
def rest(tmp_path):
    """What figure 4's table is made of beside results and sizes."""
    lines = [",".join(COLUMNS)]
    for split, group, sign in [("dev", "all", 1), ("test", "all", 1), ("test", "with", -1)]:
        grouping = "all" if group == "all" else "train query"
        for system, size, measure, against, difference, p in PAIRS:
            about = ["toy", split, grouping, group, 9, system, f"M={size}", 0, size, measure]
            if split == "dev":
                p = 0.9 if against else ""
            changed = sign * difference if against else ""
            lines.append(",".join(map(str, [*about, 0.5, 0.4, 0.6, against, changed, p])))
    (tmp_path / "groups.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pays.md").write_text("- toy: it pays.\n\nPays means: it pays.\n")
    lines = [",".join(comparisons.COLUMNS)]
    for split, measure, system, difference, p in COMPARED:
        about = [FIGURE4, "toy", split, measure, "jpq", "M=2", 0, system, "M=2", 0]
        lines.append(",".join(map(str, [*about, difference, p, p])))
    (tmp_path / "comparisons.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "groups.csv", tmp_path / "pays.md"


@pytest.fixture
def make(tmp_path, table, rest):
    """Return a function that makes figure 4's table of results.csv and a file of sizes."""

    def made(size_table):
        first = [table], tmp_path / "comparisons.csv", size_table
        figure4_table(*first, *rest, tmp_path / "t.md", ["jpq", "jpq-4bit"])
        return (tmp_path / "t.md").read_text(encoding="utf-8")

    return made


@pytest.fixture
def size_table(tmp_path):
    jpq = {"codes": 2000, "codebooks": 1200, "rotation": 64, "ids": 10, "other": 1}
    files = [
        meta(tmp_path / "a.json", "jpq", "M=2", 2, jpq),
        meta(tmp_path / "b.json", "brute-force", "", 16, {"codes": 16000}),
    ]
    sizes([*files, files[0]], tmp_path / "sizes.csv")  # a file may be repeated
    return tmp_path / "sizes.csv"


def test_sizes_by_hand(size_table):
    assert size_table.read_text().splitlines() == [
        "dataset,system,setting,bytes_per_doc,codes,codebooks,rotation,ids,total,compression",
        "toy,brute-force,,16,16000,0,0,0,16000,1.00",
        "toy,jpq,M=2,2,2000,1200,64,10,3275,5.00",  # 4 * 1000 * 4 / 3200
    ]


def test_figure4_table(tmp_path, make, size_table):
    lines = make(size_table).splitlines()
    assert lines[0] == "### toy, test (9 queries)"
    assert lines[4:8] == [
        "| JPQ | M=2 | 2 | 0.400 [0.350, 0.450] | 0.800 | 80.0% | 5.0\u00d7 | worse (R@100) |",
        "| OPQ | M=2 | 2 | 0.300 [0.250, 0.350]\\*\\* | 0.850† | 60.0% |  |  |",
        "| PQ | M=2 | 2 | 0.350 [0.250, 0.400]\\* | 0.790 | 70.0% |  |  |",
        "| brute force (STAR) |  | 16 | 0.500 [0.400, 0.600] |  | 100.0% | 1.0\u00d7 |  |",
    ]
    assert "Holm" in lines[-5]
    assert "dev was used for tuning" in lines[-5]
    assert lines[-3:] == ["- toy: it pays.", "", "Pays means: it pays."]


def test_a_row_of_jpq_says_whether_it_pays_over_all_queries_of_test(tmp_path, table, make):
    more = [
        "toy,test,jpq,M=4,0,4,MRR@10,0.5,0.4,0.6",
        "toy,test,jpq-4bit,M=4 K=16,0,2,MRR@10,0.4,0.35,0.45",
        "toy,test,jpq-4bit,M=8 K=16,0,4,MRR@10,0.4,0.35,0.45",  # not compared
    ]
    table.write_text(table.read_text() + "\n".join(more) + "\n")
    (tmp_path / "sizes.csv").write_text("dataset,system,setting,compression\n")
    titles, _, *lines = make(tmp_path / "sizes.csv").split("\n\n")[1].splitlines()
    assert titles.endswith("| compression | pays |")
    told = {tuple(line.split(" | ")[:2]): line.split(" | ")[-1].rstrip(" |") for line in lines}
    assert told == {
        ("| JPQ", "M=2"): "worse (R@100)",
        ("| JPQ", "M=4"): "yes",  # p = .05 is not significant
        ("| JPQ 4-bit", "M=4 K=16"): "level",
        ("| JPQ 4-bit", "M=8 K=16"): "",
        ("| OPQ", "M=2"): "",
        ("| PQ", "M=2"): "",
        ("| brute force (STAR)", ""): "",
    }


def test_groups_of_other_datasets_are_refused(make, rest, size_table):
    groups, _ = rest
    groups.write_text(groups.read_text().replace("toy,", "other,"))
    with pytest.raises(InputError, match=r"groups\.csv: has no row of toy\. Run the stage"):
        make(size_table)


def test_where_judgements_are_few_the_table_says_how_many_were_met(table, size_table, make):
    row = "toy,test,jpq,M=2,0,2,Judged@10,0.625,0.5,0.7"
    table.write_text(table.read_text() + row + "\n")
    titles, _, first, *_ = make(size_table).splitlines()[2:]
    cells = dict(zip(titles.split(" | "), first.split(" | "), strict=True))
    assert cells["Judged@10"] == "0.625"


def test_metrics(tmp_path, table):
    metrics([table], tmp_path / "m.json")
    toy = json.loads((tmp_path / "m.json").read_text())["toy"]
    assert toy["jpq"] == {"M=2": {"MRR@10": 0.4, "R@100": 0.8}}
    assert toy["brute-force"] == {"default": {"MRR@10": 0.5}}


def test_several_seeds_are_told_apart(tmp_path, table):
    with table.open("a") as f:
        f.write("toy,test,jpq,M=2,1,2,MRR@10,0.41,0.35,0.45\n")
    metrics([table], tmp_path / "m.json")
    jpq = json.loads((tmp_path / "m.json").read_text())["toy"]["jpq"]
    assert {k: v["MRR@10"] for k, v in jpq.items()} == {"M=2 seed 0": 0.4, "M=2 seed 1": 0.41}


def test_without_the_text_of_pays_there_is_no_table(tmp_path, make, size_table, rest):
    groups, pays = rest
    pays.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"pays.md: not UTF-8"):
        make(size_table)
    pays.unlink()
    with pytest.raises(InputError, match=r"pays.md: there is no such file. Run the stage"):
        make(size_table)
    groups.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"groups.csv: has no column"):
        make(size_table)
    assert not (tmp_path / "t.md").exists()


def test_refusals(tmp_path, table):
    table.write_text(f"{HEADER}\n{ROWS[0]}\n")
    with pytest.raises(InputError, match="no row of the test split"):
        metrics([table], tmp_path / "m.json")
    table.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns a, b"):
        metrics([table], tmp_path / "m.json")


def test_a_system_without_a_label_stands_below_the_others_by_its_name(table, size_table, make):
    with table.open("a") as f:
        f.write("toy,test,a-new,bits=3,0,2,MRR@10,0.41,0.35,0.45\n")
    systems = [line.split(" | ")[0] for line in make(size_table).splitlines()[4:9]]
    assert systems == ["| JPQ", "| OPQ", "| PQ", "| brute force (STAR)", "| a-new"]
