"""The ladder's figure: its lines are the table's, its exponents the fitted ones."""

import matplotlib
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure.scaling import COLUMNS
from jointir.report.figure_scaling import figure_scaling, read_scale, render
from jointir.report.styles import RC

SIZES, EXPONENT = [1_000, 10_000, 100_000], {"brute-force": 1.0, "jpq": 0.5}


@pytest.fixture
def table(tmp_path):
    rows = []
    for threads in (1, 2):
        for system, b in EXPONENT.items():
            for dim in (384, 768):
                for N in SIZES:
                    ms = 0.001 * dim * N**b / threads
                    about = {"system": system, "n_docs": N, "dim": dim, "bytes_per_doc": 96}
                    cost = {"train_s": 2.0, "add_s": N / 1000, "index_mb": N * 1e-3}
                    time = {"threads": threads, "batch": 1, "median_ms": ms, "p95_ms": 2 * ms}
                    rows.append(about | cost | time | {"qps": 1000 / ms, "speedup": 1.0})
    path = tmp_path / "scaling.csv"
    pd.DataFrame(rows)[COLUMNS].to_csv(path, index=False)
    return path


def test_lines_are_the_rows_of_one_thread(table):
    with matplotlib.rc_context(fname=RC):
        fig = render(read_scale(table))
    time, memory, build = fig.axes
    assert len(time.lines) == len(memory.lines) == len(build.lines) == 4
    lines = {line.get_label(): line for line in time.lines}
    label = "JPQ, D = 768, b = 0.50"
    assert lines[label].get_xdata().tolist() == SIZES
    assert lines[label].get_ydata().tolist() == pytest.approx([0.768 * n**0.5 for n in SIZES])
    assert "brute force, D = 384, b = 1.00" in lines
    assert build.lines[0].get_ydata().tolist() == pytest.approx([2 + n / 1000 for n in SIZES])
    assert memory.lines[0].get_ydata().tolist() == pytest.approx([n * 1e-3 for n in SIZES])
    assert all(ax.get_xscale() == ax.get_yscale() == "log" for ax in fig.axes)


def test_two_renders_are_the_same_bytes(table, tmp_path):
    for i in range(2):
        figure_scaling(table, tmp_path / f"{i}.pdf", tmp_path / f"{i}.png")
    assert (tmp_path / "0.pdf").read_bytes() == (tmp_path / "1.pdf").read_bytes()
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_a_table_without_one_thread_or_a_column(table, tmp_path):
    frame = pd.read_csv(table)
    frame[frame["threads"].eq(2)].to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(InputError, match=r"two\.csv: no row of one thread"):
        read_scale(tmp_path / "two.csv")
    frame.drop(columns="qps").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(InputError, match=r"less\.csv: no column 'qps'"):
        read_scale(tmp_path / "less.csv")
