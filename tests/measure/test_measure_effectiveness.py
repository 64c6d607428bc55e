import subprocess

import ir_measures
import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.data.per_query import per_query
from jointir.data.trec import read_run, write_run
from jointir.measure.effectiveness import measure

NAMES = ["RR@10", "R@100", "nDCG@10"]


@pytest.fixture
def qrels(tmp_path):
    path = tmp_path / "test.trec"
    path.write_text("q1 0 a 1\nq1 0 b 1\nq2 0 c 1\nq3 0 a 1\nq4 0 a 0\n")
    return path


def test_values_by_hand(tmp_path, qrels):
    run, out = tmp_path / "run.trec", tmp_path / "out" / "test.parquet"
    run.write_text(
        "q1 Q0 x 1 9 t\nq1 Q0 a 2 8 t\n"  # a at rank 2, b not found
        "q2 Q0 c 1 9 t\n"
        "q4 Q0 a 1 9 t\nunjudged Q0 a 1 9 t\n"
    )
    measure([run], [qrels], [out], ["MRR@10", "R@100", "nDCG@10"])
    table = pd.read_parquet(out).pivot(index="query_id", columns="measure", values="value")
    assert list(table.index) == ["q1", "q2", "q3", "q4"]  # q3 is missing from the run: 0
    assert table["RR@10"].tolist() == [0.5, 1, 0, 0]
    assert table["R@100"].tolist() == [0.5, 1, 0, 0]
    ndcg = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    assert table["nDCG@10"].tolist() == pytest.approx([ndcg, 1, 0, 0])


def test_equals_ir_measures_on_a_run_of_ties(tmp_path):
    rng = np.random.default_rng(0)
    docs = np.array([rng.permutation(40) for _ in range(50)]).astype(str)
    path, queries = tmp_path / "run.trec.gz", [f"q{i}" for i in range(50)]
    write_run(path, queries, docs, rng.integers(0, 4, size=(50, 40)), "x")
    judged = [(q, str(d), 1) for q in queries for d in rng.choice(40, 3, replace=False)]
    qrels = pd.DataFrame(judged, columns=["query_id", "doc_id", "relevance"])
    theirs = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(n) for n in NAMES],
        [ir_measures.Qrel(*row) for row in judged],
        [ir_measures.ScoredDoc(q, d, s) for q, r in read_run(path).items() for d, s in r.items()],
    )
    ours = per_query(read_run(path), qrels, NAMES).groupby("measure")["value"].mean()
    assert ours.to_dict() == pytest.approx({str(m): v for m, v in theirs.items()})
    plain = np.mean([reciprocal_rank(read_run(path)[q], qrels, q) for q in queries])
    assert ours["RR@10"] == pytest.approx(plain)


def reciprocal_rank(run, qrels, query):
    relevant = set(qrels.loc[qrels["query_id"].eq(query), "doc_id"])
    for rank, doc in enumerate(list(run)[:10], 1):
        if doc in relevant:
            return 1 / rank
    return 0


def test_ties_of_a_foreign_run_keep_its_order_in_every_measure():
    qrels = pd.DataFrame([("q", "b", 1)], columns=["query_id", "doc_id", "relevance"])
    values = per_query({"q": {"b": 1.0, "c": 1.0, "a": 1.0}}, qrels, NAMES)["value"]
    assert values.tolist() == [1, 1, 1]


GRADES = {  # measure: does it take a grade of 5
    "ERR@10": False,
    "nDCG(dcg='exp-log2')@10": False,
    "nDCG@10": True,
    "AP(rel=2)": True,
}


@pytest.mark.parametrize("name", GRADES)
def test_a_grade_that_a_provider_does_not_take_is_named(tmp_path, name):
    run, qrels, out = (tmp_path / n for n in ("run.trec", "test.trec", "o.parquet"))
    run.write_text("q1 Q0 a 1 9 t\n")
    qrels.write_text("q1 0 a 4\nq1 0 b -3\n")
    measure([run], [qrels], [out], [name])
    assert pd.read_parquet(out)["value"].tolist() == [pytest.approx(0.9375 if "E" in name else 1)]
    out.unlink()
    qrels.write_text("q1 0 a 4\nq1 0 b 5\n")
    if GRADES[name]:
        measure([run], [qrels], [out], [name])
        assert 0 < pd.read_parquet(out)["value"][0] < 1
        return
    with pytest.raises(InputError) as caught:
        measure([run], [qrels], [out], ["RR@10", name])
    assert str(caught.value) == (
        f"{qrels}: query 'q1' has the grade 5, and {name} takes grades up to 4."
        " Map the grades to fewer, or drop the measure"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    "error", [subprocess.CalledProcessError(25, ["perl"]), RuntimeError("no"), ValueError("x")]
)
def test_a_provider_that_fails_is_told_by_measure_and_file(tmp_path, qrels, monkeypatch, error):
    run, out, calc = tmp_path / "run.trec", tmp_path / "o.parquet", ir_measures.iter_calc

    def broken(measures, *more):
        if len(more[0]) > 2 and any(m.NAME == "nDCG" for m in measures):  # not the trial of parse
            raise error
        return calc(measures, *more)

    run.write_text("q1 Q0 a 1 9 t\n")
    monkeypatch.setattr(ir_measures, "iter_calc", broken)
    with pytest.raises(InputError) as caught:
        measure([run], [qrels], [out], NAMES)
    assert str(caught.value).startswith(
        f"{qrels}: nDCG@10 cannot be computed ({type(error).__name__}: "
    )
    assert not out.exists()


@pytest.mark.parametrize("name", ["foo@10", "RR@"])
def test_an_unknown_measure_is_named(tmp_path, qrels, name):
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 x 1 9 t\n")
    with pytest.raises(InputError, match=f"unknown measure '{name}'"):
        measure([run], [qrels], [tmp_path / "o.parquet"], [name])


def test_a_run_of_another_split_is_refused(tmp_path, qrels):
    run = tmp_path / "run.trec"
    run.write_text("z Q0 x 1 9 t\n")
    with pytest.raises(InputError, match="no query of this run is judged"):
        measure([run], [qrels], [tmp_path / "o.parquet"], NAMES)
