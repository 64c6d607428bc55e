import gzip
import time

import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.data.trec import read_run, untie, write_run


def untie_loop(row):
    fixed = [np.float32(row[0])]
    for score in row[1:]:
        below = np.nextafter(fixed[-1], np.float32(-np.inf))
        fixed.append(min(np.float32(score), below))
    return fixed


def test_untie_equals_the_plain_loop():
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.integers(-3, 3, size=(20, 30)).astype(np.float32), axis=1)
    assert np.array_equal(untie(scores), [untie_loop(row) for row in scores])


@pytest.mark.parametrize("tied", [1.0, 0.0, -7.25, 123456.78, 1e-30])
def test_ties_stay_in_order_and_apart_as_text(tmp_path, tied):
    out, docs = tmp_path / "test.trec.gz", [f"d{i}" for i in range(100)]
    write_run(out, ["q"], [docs], np.full((1, 100), tied), "x")
    run = read_run(out)["q"]
    assert list(run) == docs
    assert np.all(np.diff(list(run.values())) < 0)
    assert run["d0"] == pytest.approx(tied, rel=1e-6)


def test_rows_are_sorted_by_score_and_ranked(tmp_path):
    out = tmp_path / "test.trec.gz"
    write_run(out, ["q"], [["a", "b", "c"]], np.array([[0.5, 2.0, 0.5]]), "jpq")
    lines = gzip.decompress(out.read_bytes()).decode().splitlines()
    assert lines == ["q Q0 b 1 2 jpq", "q Q0 a 2 0.5 jpq", "q Q0 c 3 0.49999997 jpq"]


def test_an_empty_id_is_no_result(tmp_path):
    out = tmp_path / "test.trec.gz"
    scores = np.array([[1.0, -np.inf], [3.0, 2.0]])
    write_run(out, ["q", "r"], [["a", ""], ["", "b"]], scores, "x")
    assert read_run(out) == {"q": {"a": 1.0}, "r": {"b": 2.0}}


def test_same_input_same_bytes(tmp_path):
    paths = [tmp_path / "a.trec.gz", tmp_path / "b.trec.gz"]
    for path in paths:
        write_run(path, ["q"], [["a", "b"]], np.array([[2.0, 1.0]]), "x")
        time.sleep(1.1 if path == paths[0] else 0)  # gzip's own time stamp counts seconds
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("queries", "docs", "scores", "found"),
    [
        (["q"], [["a", "b"]], [[1.0, np.nan]], "the score of 'b' for query 'q' is nan"),
        (["q"], [["a", "b"]], [[np.inf, 1.0]], "the score of 'a' for query 'q' is inf"),
        (["q"], [["a", "a"]], [[2.0, 1.0]], "a document appears twice"),
        (["q", "q"], [["a"], ["a"]], [[1.0], [1.0]], "a query id appears twice"),
        (["q"], [["a", "b"]], [[1.0]], "shape"),
    ],
)
def test_write_run_refuses(tmp_path, queries, docs, scores, found):
    with pytest.raises(InputError, match=found):
        write_run(tmp_path / "x.trec.gz", queries, docs, np.array(scores), "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad",
    ["q Q0 d 1 0.5", "q Q0 d 1 high x", "q Q0 d 1 nan x", "q Q0 a 2 0.5 x", "q Q0 d\0 2 0.5 x"],
)
def test_read_run_names_the_bad_line(tmp_path, bad):
    path = tmp_path / "run.trec"
    path.write_text(f"q Q0 a 1 1.0 x\n{bad}\n")
    with pytest.raises(InputError, match=r"run\.trec:2: bad line"):
        read_run(path)


def test_read_run_refuses_a_damaged_file(tmp_path):
    path = tmp_path / "run.trec.gz"
    write_run(path, ["q"], [["a", "b"]], np.array([[2.0, 1.0]]), "x")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="not a TREC run"):
        read_run(path)
    path.write_bytes(b"plain")
    with pytest.raises(InputError, match="not a TREC run"):
        read_run(path)
