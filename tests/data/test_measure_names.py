"""Every measure that ir-measures computes here, from its name to figure 4 and its table."""

import json
import os
import subprocess
import sys

import ir_measures
import matplotlib
import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, run
from jointir.basics.errors import InputError
from jointir.data.measures import PLAIN, canonical, canonicals, check_depth, parse, reported
from jointir.data.per_query import per_query
from jointir.data.trec import write_run
from jointir.measure.comparisons import COLUMNS as COMPARISONS
from jointir.measure.effectiveness import measure
from jointir.measure.groups import COLUMNS
from jointir.measure.results import read_results, results, wide
from jointir.report.figure4 import render
from jointir.report.styles import RC
from jointir.report.tables import figure4_table, final_rows, sizes

# name: what ir-measures calls it, and what a report does
SPELLINGS = {
    "RR@10": ("RR@10", "MRR@10"),
    "MRR@10": ("RR@10", "MRR@10"),
    "RR(rel=2)@10": ("RR(rel=2)@10", "MRR(rel=2)@10"),
    "RR(cutoff=10, rel=2)": ("RR(rel=2)@10", "MRR(rel=2)@10"),
    "RR(rel=1)@10": ("RR@10", "MRR@10"),
    "RR": ("RR", "MRR"),
    "AP": ("AP", "MAP"),
    "MAP": ("AP", "MAP"),
    "AP(rel=2)": ("AP(rel=2)", "MAP(rel=2)"),
    "AP@1000": ("AP@1000", "MAP@1000"),
    "R@100": ("R@100", "R@100"),
    "Recall@100": ("R@100", "R@100"),
    "R(rel=2)@100": ("R(rel=2)@100", "R(rel=2)@100"),
    "nDCG@10": ("nDCG@10", "nDCG@10"),
    "NDCG@10": ("nDCG@10", "nDCG@10"),
    "nDCG": ("nDCG", "nDCG"),
    "nDCG(dcg='exp-log2')@10": ("nDCG(dcg='exp-log2')@10", "nDCG(dcg='exp-log2')@10"),
    "nDCG(gains={1: 3})@10": ("nDCG(gains={1:3})@10", "nDCG(gains={1:3})@10"),
    "nDCG(gains={0: 0, 1: 1})@10": ("nDCG@10", "nDCG@10"),
    "P@5": ("P@5", "P@5"),
    "AP(judged_only=True,rel=2)@5": (
        "AP(judged_only=True,rel=2)@5",
        "MAP(judged_only=True,rel=2)@5",
    ),
    "AP(rel=2,judged_only=True)@5": (
        "AP(judged_only=True,rel=2)@5",
        "MAP(judged_only=True,rel=2)@5",
    ),
    "Success@1": ("Success@1", "Success@1"),
    "Judged@10": ("Judged@10", "Judged@10"),
    "Rprec": ("Rprec", "Rprec"),
    "Bpref": ("Bpref", "Bpref"),
    "infAP": ("infAP", "infAP"),
    "IPrec@0.1": ("IPrec@0.1", "IPrec@0.1"),
    "ERR@20": ("ERR@20", "ERR@20"),
    "Compat(p=0.8)": ("Compat(p=0.8)", "Compat(p=0.8)"),
    "SetP": ("SetP", "SetP"),
    "SetR": ("SetR", "SetR"),
    "SetF(beta=0.5)": ("SetF(beta=0.5)", "SetF(beta=0.5)"),
    "SetAP": ("SetAP", "SetAP"),
    "SetRelP": ("SetP(relative=True)", "SetP(relative=True)"),
    "NumRet": ("NumRet", "NumRet"),
    "NumRelRet": ("NumRet(rel=1)", "NumRet(rel=1)"),
    "NumRel": ("NumRel", "NumRel"),
    "NumQ": ("NumQ", "NumQ"),
    "Accuracy": ("Accuracy", "Accuracy"),
}
FAMILIES = list(dict.fromkeys(own for own, _ in SPELLINGS.values()))
Q = 12


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_measure_has_one_name_whatever_its_spelling(name):
    own, told = SPELLINGS[name]
    assert (canonical(name), reported(own)) == (own, told)
    assert canonical(own) == canonical(told) == own  # what is written can be asked for again


def test_every_family_that_ir_measures_computes_here_is_tested():
    needs = {"cutoff": 10, "recall": 0.5, "max_rel": 3}
    computed = set()
    for family in set(ir_measures.measures.registry.values()):
        kind = type(family)
        asked = {k: needs[k] for k, p in kind.SUPPORTED_PARAMS.items() if p.required and k in needs}
        if kind.NAME in ("ERR",):
            asked = {"cutoff": 10}
        if ir_measures.DefaultPipeline.supports(kind(**asked)):
            computed.add(kind.NAME)
    assert computed == {parse(name).NAME for name in FAMILIES}


REFUSED = {
    "foo@10": "unknown measure 'foo@10'",
    "ndcg@10": "unknown measure 'ndcg@10'",
    "RR@": "unknown measure",
    "": "unknown measure ''",
    "P": "unknown measure 'P'",
    "P(size=3)@5": "unknown measure",
    "P@5; P@6": "unknown measure",
    "P@1.5": "unknown measure",
    "(" * 500: "unknown measure",
    "RR(rel='a')@10": "unknown measure",
    "SDCG@10": "unknown measure",
    "RBP(p=0.8)": "cannot be computed here",
    "alpha_nDCG@20": "cannot be computed here",
    "RR(rel=2,judged_only=True)@3": "cannot be computed here",
    "NumRel(rel=2)": "cannot be computed here",
    # without a check, these end the process or count for nothing
    "P@0": "has cutoff=0. Give a number from 1 to 1000000",
    "R@0": "has cutoff=0",
    "P@1000001": "has cutoff=1000001",
    "P@100000000000000000000": "has cutoff=100000000000000000000",
    "P(rel=0)@5": "has rel=0",
    "IPrec@1.5": "has recall=1.5",
    "Compat(p=1.5)": "has p=1.5",
    "nDCG(gains={1: 0.5})@10": "cannot be computed here",
    "P@True": "cannot be computed here",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_measure_that_cannot_be_computed_is_refused_by_its_parameter(name):
    with pytest.raises(InputError) as caught:
        canonical(name, "datasets.mine.measures")
    assert str(caught.value).startswith("datasets.mine.measures: ")
    assert REFUSED[name] in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ["R@100", "Recall@100"],
        ["MRR@10", "nDCG@10", "RR@10"],
        ["AP", "MAP"],
        ["P@5", "P@5"],
        ["RR(rel=2)@10", "RR(cutoff=10,rel=2)"],
    ],
)
def test_one_measure_under_two_names_is_refused(names):
    found = f"{names[-1]!r} is the same measure as {names[0]!r}"
    with pytest.raises(InputError, match=r"m: .*Name each measure once") as caught:
        canonicals(names, "m")
    assert found in str(caught.value)
    with pytest.raises(InputError, match="m: no measure"):
        canonicals([], "m")


DEPTHS = {  # names as they are given; k; the first that looks further, as it is told
    "exact": (["R@100", "RR@10"], 100, None),
    "one less": (["RR@10", "R@100"], 99, "R@100 looks at 100 documents a query"),
    "shallow": (["RR@10"], 5, "RR@10 looks at 10 documents a query"),
    "another spelling": (["RR(cutoff=10, rel=2)"], 9, "RR(rel=2)@10 looks at 10 documents"),
    "gdeval": (["nDCG(dcg='exp-log2')@10"], 9, "nDCG(dcg='exp-log2')@10 looks at 10"),
    "whole run": (["AP", "RR", "nDCG", "Rprec", "Bpref", "SetR", "NumRet", "AP(rel=2)"], 1, None),
    "no cutoff": (["IPrec@0.1", "IPrec@1.0", "Compat(p=0.8)"], 1, None),
}


@pytest.mark.parametrize("case", DEPTHS)
def test_a_measure_that_looks_below_the_run_is_refused(case):
    names, k, found = DEPTHS[case]
    if found is None:
        check_depth(canonicals(names), k)
        return
    with pytest.raises(InputError) as caught:
        check_depth(canonicals(names), k, "measure.measures")
    assert str(caught.value).startswith(f"measure.measures: {found}")
    assert f"and retrieve.k is {k}. Set retrieve.k to " in str(caught.value)
    assert str(caught.value).endswith(f"or more, or choose a cutoff of at most {k}")


def test_a_measure_without_a_cutoff_is_of_the_documents_of_the_run():
    """As trec_eval has it: what is relevant and not in the run counts as missed."""
    qrels = pd.DataFrame(
        [("q", "a", 1), ("q", "b", 1), ("q", "c", 1)], columns=["query_id", "doc_id", "relevance"]
    )
    deep = {"x": 4.0, "a": 3.0, "y": 2.0, "b": 1.0}
    found = {
        k: per_query({"q": dict(list(deep.items())[:k])}, qrels, ["AP", "RR", "Rprec", "SetR"])
        for k in (2, 4)
    }
    assert found[2]["value"].tolist() == pytest.approx([1 / 6, 1 / 2, 1 / 3, 1 / 3])
    assert found[4]["value"].tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 2 / 3])


def test_plain_names_need_no_trial_because_they_would_pass_it():
    for family in ("RR", "R", "P", "AP", "nDCG", "Judged", "Success"):
        for cutoff in (1, 10, 999_999):
            name = f"{family}@{cutoff}"
            assert PLAIN.fullmatch(name)
            assert str(parse(name)) == name
    assert not any(map(PLAIN.fullmatch, ["RR@0", "RR@01", "RR", "R@1000000", "P@5\n", "ERR@20"]))


def judged() -> pd.DataFrame:
    """Return graded judgements of Q queries, each with some of every grade."""
    rows = [(f"q-{q}", f"d{d}", d % 4) for q in range(Q) for d in range(q % 3, 24, 2)]
    return pd.DataFrame(rows, columns=["query_id", "doc_id", "relevance"])


def ranking(seed: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(seed)
    return {f"q-{q}": {f"d{d}": 20.0 - r for r, d in enumerate(rng.permutation(30)[:20])}
            for q in range(Q)}  # fmt: skip


def test_values_are_those_of_ir_measures_for_every_family():
    """By the public API, its query ids numbers: gdeval takes no others."""
    frame, found = judged(), ranking(0)
    values = per_query(found, frame, FAMILIES).groupby("measure")["value"].mean()
    qrels: dict[str, dict[str, int]] = {}
    for query, doc, grade in frame.itertuples(index=False):
        qrels.setdefault(query[2:], {})[doc] = grade
    scores = {query[2:]: own for query, own in found.items()}
    for name in FAMILIES:
        theirs = ir_measures.iter_calc([ir_measures.parse_measure(name)], qrels, scores)
        assert values[name] == pytest.approx(np.mean([m.value for m in theirs])), name
    assert len(values) == len(FAMILIES)


@pytest.mark.parametrize("seed", ["0", "1", "4", "7"])
def test_a_measure_has_one_value_whatever_else_is_computed_and_in_whatever_order(seed):
    """ir-measures keeps measures in a set, whose order the seed of Python's hashes decides."""
    families = ["NumRet", "NumQ", "nDCG@10", "P@5"]
    beside = ["AP(judged_only=True)@5", "nDCG(gains={1: 3, 2: 9})@10", "P(judged_only=True)@5"]
    code = f"""
import sys
sys.path[:0] = {[str(ROOT / "tests"), str(ROOT / "tests/data"), str(ROOT / "src")]}
from test_measure_names import judged, ranking
from jointir.data.per_query import per_query
frame, found = judged(), ranking(0)
for name in {families}:
    with_others = per_query(found, frame, [*{beside}, *{families}])
    alone = per_query(found, frame, [name])["value"].tolist()
    assert with_others[with_others["measure"] == name]["value"].tolist() == alone, name
"""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return results.csv and sizes.csv of JPQ, OPQ and brute force, by every family."""
    folder = tmp_path_factory.mktemp("families")
    judged().assign(zero=0)[["query_id", "zero", "doc_id", "relevance"]].to_csv(
        folder / "test.trec", sep=" ", header=False, index=False
    )
    values, metas = [], []
    for seed, (system, setting, size) in enumerate(
        [("jpq", "M=2", 2), ("opq", "M=2", 2), ("brute-force", "", 16)]
    ):
        own = folder / system
        own.mkdir()
        found = ranking(seed)
        ids = [list(row) for row in found.values()]
        write_run(
            own / "test.trec.gz", list(found), ids, [list(r.values()) for r in found.values()], "x"
        )
        measure([own / "test.trec.gz"], [folder / "test.trec"], [own / "test.parquet"], FAMILIES)
        about = {"dataset": "toy", "system": system, "setting": setting, "seed": 0}
        about |= {"bytes_per_doc": size, "n_docs": 30, "dim": 4, "bytes": {"codes": 30 * size}}
        (own / "meta.json").write_text(json.dumps(about))
        values.append(own / "test.parquet")
        metas.append(own / "meta.json")
    results(values, metas, folder / "results.csv", 100, 0)
    sizes(metas, folder / "sizes.csv")
    return folder


def test_every_family_reaches_figure_4_and_its_table_in_the_order_of_the_params(measured):
    told = [reported(name) for name in FAMILIES]
    rows = read_results([measured / "results.csv"])
    for system, own in rows.groupby("system"):
        assert own["measure"].tolist() == told
        values = pd.read_parquet(measured / system / "test.parquet")
        means = values.groupby("measure", sort=False)["value"].mean()
        assert own["value"].tolist() == pytest.approx(means.tolist(), abs=1e-6)
    with matplotlib.rc_context(fname=RC):
        figure = render(final_rows(rows))
    assert [ax.get_ylabel() for ax in figure.axes] == told
    row = ",test,all,all,2,jpq,M=2,0,2,MRR@10,0.5,0.4,0.6,,,"  # of none it is told whether it pays
    lines = [",".join(COLUMNS), *(name + row for name in rows["dataset"].unique())]
    (measured / "groups.csv").write_text("\n".join(lines) + "\n")
    (measured / "pays.md").touch()
    (measured / "comparisons.csv").write_text(",".join(COMPARISONS) + "\n")
    names = ("comparisons.csv", "sizes.csv", "groups.csv", "pays.md")
    files = [measured / name for name in names]
    figure4_table([measured / "results.csv"], *files, measured / "t.md")
    titles, _, jpq, *_ = (measured / "t.md").read_text().splitlines()[2:]
    cells = dict(zip(titles[2:-2].split(" | "), jpq[2:-2].split(" | "), strict=True))
    main, brute = (rows[rows["system"].eq(s)].iloc[0] for s in ("jpq", "brute-force"))
    assert cells[told[0]] == f"{main.value:.3f} [{main.low:.3f}, {main.high:.3f}]"
    assert cells[f"of brute force's {told[0]}"] == f"{main.value / brute.value:.1%}"
    for row in rows[rows["system"].eq("jpq")].iloc[1:].itertuples():
        assert cells[row.measure] == f"{row.value:.3f}"


def test_files_of_other_measures_or_another_order_are_refused(measured, tmp_path):
    frame = pd.read_parquet(measured / "opq" / "test.parquet")
    for changed in (frame[frame["measure"].ne("RR")], frame[::-1]):
        changed.to_parquet(tmp_path / "test.parquet")
        files = [measured / "jpq/test.parquet", tmp_path / "test.parquet"]
        metas = [measured / "jpq/meta.json", measured / "opq/meta.json"]
        with pytest.raises(InputError, match=r"its measures .* are not those of .*jpq"):
            results(files, metas, tmp_path / "r.csv", 100, 0)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("q", "RR@10", 1.0), ("q", "RR@10", 0.5)], "two values of one measure"),
        ([("q", "RR@10", 1.0), ("p", "R@5", 0.5)], "lacks a value"),
        ([("q", "RR@10", np.nan)], "lacks a value"),
        ([], "lacks a value"),
    ],
)
def test_damaged_values_are_named(rows, found):
    frame = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
    with pytest.raises(InputError, match=rf"x\.parquet: a query .*{found}"):
        wide(frame, "x.parquet")


def test_dev_is_measured_by_its_own_measures_where_it_has_some(tmp_path):
    (tmp_path / "q.trec").write_text("q1 0 a 1\n")
    (tmp_path / "r.trec").write_text("q1 Q0 a 1 9 t\n")
    out = [tmp_path / "dev.parquet", tmp_path / "test.parquet"]
    both = [[tmp_path / "r.trec"] * 2, [tmp_path / "q.trec"] * 2]
    measure(*both, out, ["AP(rel=2)", "R@5"], ["RR@10"])
    found = [pd.read_parquet(p)[["measure", "value"]].to_numpy().tolist() for p in out]
    assert found == [[["RR@10", 1.0]], [["AP(rel=2)", 0.0], ["R@5", 1.0]]]
    with pytest.raises(InputError, match="unknown measure 'foo'"):
        measure(*both, [tmp_path / "dev.parquet", tmp_path / "x.parquet"], ["R@5"], ["foo"])
    assert not (tmp_path / "x.parquet").exists()


OVERLAYS = {
    "measure.measures: unknown measure 'foo@10'": {"measure": {"measures": ["RR@10", "foo@10"]}},
    "datasets.apidocs.measures: 'MRR@10' is the same measure as 'RR@10'": {
        "datasets": {"apidocs": {"measures": {"dev": ["R@5"], "test": ["RR@10", "MRR@10"]}}}
    },
    "measure.measures: R@1000 looks at 1000 documents a query, and retrieve.k is 100. Set": {
        "measure": {"measures": ["RR@10", "R@1000"]}
    },
    "datasets.apidocs.measures: nDCG@20 looks at 20 documents a query, and retrieve.k is 10.": {
        "retrieve": {"k": 10},
        "datasets": {"apidocs": {"measures": {"dev": ["RR@10"], "test": ["AP", "NDCG@20"]}}},
    },
}


@pytest.mark.parametrize("words", OVERLAYS)
def test_snakemake_refuses_a_wrong_measure_before_it_plans(tmp_path, words):
    (tmp_path / "o.yaml").write_text(json.dumps(OVERLAYS[words]))
    text = run("snakemake", "-n", "--configfile", tmp_path / "o.yaml", cwd=ROOT, ok=False)
    assert words in text and "Job stats" not in text
