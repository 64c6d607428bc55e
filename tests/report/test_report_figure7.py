"""Figure 7 and its table, from a results table whose values are known."""

from itertools import product

import matplotlib
import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.measure import comparisons, results
from jointir.measure.families import FIGURE7, STEPS
from jointir.report import tables
from jointir.report.figure7 import DRAWN, figure7, render
from jointir.report.styles import RC

BASE = {"opq": 0.3, "jpq-neg": 0.32, "jpq-loss": 0.36, "jpq-labelled": 0.37, "jpq": 0.4}
BASE |= {"jpq-mse-1": 0.39}


def value(system: str, size: int, seed: int) -> float:
    return BASE[system] + size / 1000 + seed / 10_000


def final_rows(path):
    return tables.final_rows(results.read_results([path]))


@pytest.fixture
def table(tmp_path):
    lines = [",".join(results.COLUMNS), "d,test,brute-force,,0,1536,MRR@10,0.5,0.49,0.51"]
    for split, added in (("test", 0), ("dev", 0.1)):
        for system in BASE:
            for size in (16, 24):
                for seed in (1,) if system in ("opq", "jpq-mse-1") else (3, 1, 2):
                    for measure in ("MRR@10", "R@100"):
                        x = value(system, size, seed) + added
                        cells = [x, x - 0.01, x + 0.02]
                        about = ["d", split, system, f"M={size}", seed, size, measure]
                        lines.append(",".join(map(str, [*about, *cells])))
    path = tmp_path / "ablation.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def compared(tmp_path):
    """Comparisons with JPQ of each seed, and of one step."""
    lines = [",".join(comparisons.COLUMNS)]
    for split, size, measure in product(("test", "dev"), (16, 24), ("MRR@10", "R@100")):
        for system in ("opq", "jpq-neg", "jpq-loss", "jpq-labelled", "jpq-mse-1"):
            for seed in (3, 1, 2):
                jpq = [FIGURE7, "d", split, measure, "jpq", f"M={size}", seed]
                p = seed / 1000 if split == "test" else 0.7
                lines.append(",".join(map(str, [*jpq, system, f"M={size}", seed, -0.1, p, p])))
    for split, measure, cells in (
        ("test", "MRR@10", [0.0202, 0.004, 0.008]),
        ("test", "R@100", [0.0002, 0.6, 1]),
        ("dev", "MRR@10", [0.9, 0.9, 0.9]),
    ):
        step = [f'"{STEPS}"', "d", split, measure, "opq", "M=16", 1, "jpq-neg", "M=16", "1 2 3"]
        lines.append(",".join(map(str, [*step, *cells])))
    path = tmp_path / "comparisons.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def meta(tmp_path):
    """Meta files of all runs that are shown; what else the results hold is not."""
    runs = [("brute-force", "", 1536, 0)]
    for system, size, seed in product(BASE, (16, 24), (1, 2, 3)):
        if seed == 1 or system not in ("opq", "jpq-mse-1"):
            runs.append((system, f"M={size}", size, seed))
    paths = []
    for system, setting, size, seed in runs:
        about = {"dataset": "d", "system": system, "setting": setting, "seed": seed}
        about |= {"bytes_per_doc": size, "n_docs": 9, "dim": 4, "bytes": {}}
        paths.append(tmp_path / f"{system}-{size}-{seed}.json")
        write_json(paths[-1], about)
    return paths


def test_lines_are_means_over_seeds_and_dots_the_seeds(table):
    with matplotlib.rc_context(fname=RC):
        left, right = render(final_rows(table)).axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("MRR@10", "R@100")
    lines = {line.get_label(): line for line in left.lines}
    for system, (name, _) in DRAWN.items():
        seeds = (1,) if system == "opq" else (1, 2, 3)
        means = [np.mean([value(system, size, seed) for seed in seeds]) for size in (16, 24)]
        assert lines[name].get_ydata() == pytest.approx(means)
    dots = [line for line in left.lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in dots] == [2, 6, 6, 6, 6]
    bands = [c.get_paths()[0].vertices[:, 1] for c in left.collections]
    assert bands[0].min() == pytest.approx(value("opq", 16, 1) - 0.01)
    assert bands[0].max() == pytest.approx(value("opq", 24, 1) + 0.02)


def test_the_table_has_a_row_for_each_size_and_training_in_order(table, compared, meta, tmp_path):
    figure7([table], meta, compared, tmp_path / "f.pdf", tmp_path / "f.png", tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| 1")]
    step = rows.pop()  # dev's are left out
    assert step[:4] == ["16", "OPQ → + JPQ negatives (3)", "0.3362", "+0.0202\\*\\*"]
    assert step[4:] == ["0.004, 0.008", "0.3362", "+0.0002", "0.6, 1"]
    assert [row[1] for row in rows] == [
        "OPQ (1)",
        "+ JPQ negatives (3)",
        "+ JPQ loss (3)",
        "+ train PQ (3)",
        "JPQ here (3)",
        "jpq-mse-1 (1)",
    ]
    assert rows[1] == ["16", "+ JPQ negatives (3)", "0.3362", "0.001", "0.3362", "0.001"]
    assert rows[4][2:4] == ["0.4162", ""]
    assert (tmp_path / "f.pdf").stat().st_size > 5000


def test_the_same_table_gives_the_same_bytes(table, compared, meta, tmp_path):
    for name in "ab":
        figure7(
            [table], meta, compared, *(tmp_path / f"{name}.{kind}" for kind in ("pdf", "png", "md"))
        )
    for kind in ("pdf", "png", "md"):
        a, b = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
        assert a == b


def test_a_step_that_was_not_trained_is_named_and_nothing_is_written(
    table, compared, meta, tmp_path
):
    kept = [line for line in table.read_text().splitlines() if "jpq-neg" not in line]
    table.write_text("\n".join(kept) + "\n")
    paths = [tmp_path / f"x.{kind}" for kind in ("pdf", "png", "md")]
    with pytest.raises(InputError, match="jpq-neg M=16 seed 1 of d is in none of the results"):
        figure7([table], meta, compared, *paths)
    others = [path for path in meta if "jpq-neg" not in path.name]
    with pytest.raises(InputError, match="results: 'jpq-neg' is not there"):
        figure7([table], others, compared, *paths)
    assert not any(path.exists() for path in paths)
