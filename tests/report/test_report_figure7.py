"""Figure 7 and its table, from a results table whose values are known."""

import matplotlib
import numpy as np
import pytest

from jointir.errors import InputError
from jointir.measure.steps import COLUMNS
from jointir.report.figure7 import STEPS, figure7, render
from jointir.report.styles import RC
from jointir.report.tables import final_rows

HEADER = "dataset,split,system,setting,seed,bytes_per_doc,measure,value,low,high,p_holm"
BASE = {"opq": 0.3, "jpq-neg": 0.32, "jpq-loss": 0.36, "jpq": 0.4, "jpq-mse-1": 0.39}


def value(system: str, size: int, seed: int) -> float:
    return BASE[system] + size / 1000 + seed / 10_000


@pytest.fixture
def table(tmp_path):
    lines = [HEADER, "d,test,brute-force,,0,1536,MRR@10,0.5,0.49,0.51,"]
    for split, added in (("test", 0), ("dev", 0.1)):
        for system in BASE:
            for size in (16, 24):
                for seed in (1,) if system in ("opq", "jpq-mse-1") else (3, 1, 2):
                    for measure in ("MRR@10", "R@100"):
                        x = value(system, size, seed) + added
                        p = "" if system == "jpq" else f"{seed / 1000}"
                        cells = [x, x - 0.01, x + 0.02, p]
                        about = ["d", split, system, f"M={size}", seed, size, measure]
                        lines.append(",".join(map(str, [*about, *cells])))
    path = tmp_path / "ablation.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def steps(tmp_path):
    cells = ["d,test,MRR@10,16,opq,jpq-neg,3,0.316,0.3362,0.004,0.008"]
    cells += ["d,test,R@100,16,opq,jpq-neg,3,0.316,0.3162,0.6,1"]
    cells += [line.replace("test", "dev").replace("0.3162", "0.9") for line in cells]
    path = tmp_path / "steps.csv"
    path.write_text("\n".join([",".join(COLUMNS), *cells]) + "\n")
    return path


def test_lines_are_means_over_seeds_and_dots_the_seeds(table):
    with matplotlib.rc_context(fname=RC):
        left, right = render(final_rows(table)).axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("MRR@10", "R@100")
    lines = {line.get_label(): line for line in left.lines}
    for system, (name, _) in STEPS.items():
        seeds = (1,) if system == "opq" else (1, 2, 3)
        means = [np.mean([value(system, size, seed) for seed in seeds]) for size in (16, 24)]
        assert lines[name].get_ydata() == pytest.approx(means)
    dots = [line for line in left.lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in dots] == [2, 6, 6, 6]
    bands = [c.get_paths()[0].vertices[:, 1] for c in left.collections]
    assert bands[0].min() == pytest.approx(value("opq", 16, 1) - 0.01)
    assert bands[0].max() == pytest.approx(value("opq", 24, 1) + 0.02)


def test_the_table_has_a_row_for_each_size_and_training_in_order(table, steps, tmp_path):
    figure7(table, steps, tmp_path / "f.pdf", tmp_path / "f.png", tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| 1")]
    compared = rows.pop()  # dev's are left out
    assert compared[:4] == ["16", "OPQ → + JPQ negatives (3)", "0.3362", "+0.0202\\*\\*"]
    assert compared[4:] == ["0.004, 0.008", "0.3162", "+0.0002", "0.6, 1"]
    assert [row[1] for row in rows] == [
        "OPQ (1)",
        "+ JPQ negatives (3)",
        "+ JPQ loss (3)",
        "+ train PQ (JPQ) (3)",
        "jpq-mse-1 (1)",
    ]
    assert rows[1] == ["16", "+ JPQ negatives (3)", "0.3362", "0.001", "0.3362", "0.001"]
    assert rows[3][2:4] == ["0.4162", ""]
    assert (tmp_path / "f.pdf").stat().st_size > 5000


def test_the_same_table_gives_the_same_bytes(table, steps, tmp_path):
    for name in "ab":
        figure7(table, steps, *(tmp_path / f"{name}.{kind}" for kind in ("pdf", "png", "md")))
    for kind in ("pdf", "png", "md"):
        a, b = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
        assert a == b


def test_a_step_that_was_not_trained_is_named_and_nothing_is_written(table, steps, tmp_path):
    kept = [line for line in table.read_text().splitlines() if "jpq-neg" not in line]
    table.write_text("\n".join(kept) + "\n")
    paths = [tmp_path / f"x.{kind}" for kind in ("pdf", "png", "md")]
    with pytest.raises(InputError, match=r"ablation\.csv: 'jpq-neg' is not there"):
        figure7(table, steps, *paths)
    assert not any(path.exists() for path in paths)
