"""The figure of what dev said on the way of trainings."""

from pathlib import Path

import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.report.figure_training import figure_training, read_curves, render
from jointir.train.curve import COLUMNS, write_curve

CURVE = [
    (0, "RR@10", 0.5, 0.0, 0.0, "", 0),
    (75, "RR@10", 0.52, 0.02, 0.01, "", 1),
    (150, "RR@10", 0.53, 0.03, 0.02, "R@100", 0),
]


@pytest.fixture
def curves(tmp_path):
    """Return the curves of three trainings, of which the last measured nothing."""
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    for path, rows in zip(paths, [CURVE, CURVE[:2], []], strict=True):
        write_curve(rows, path)
    return paths


NAMES = ["one star", "two jpq M=16", "two dpq M=16"]


def test_curves_are_told_by_their_names(curves):
    rows = read_curves(curves, NAMES)
    assert rows[["dataset", "system", "setting"]].drop_duplicates().values.tolist() == [
        ["one", "star", ""],
        ["two", "jpq", "M=16"],
    ]
    assert rows["losses"].tolist() == ["", "", "R@100", "", ""]
    with pytest.raises(InputError, match="3 curves, 2 names"):
        read_curves(curves, NAMES[:2])


def test_a_panel_for_each_training_and_the_kept_step_is_full(curves):
    fig = render(read_curves(curves, NAMES))
    drawn = [ax for ax in fig.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in drawn] == ["one: STAR", "two: JPQ"]
    points = {}
    for line in drawn[0].get_lines()[2:]:  # after the start's and the curve's
        kind = line.get_marker() if line.get_marker() == "x" else line.get_markerfacecolor()
        points[kind == "x" or kind == "white", kind == "x"] = line.get_xydata().tolist()
    assert points[True, True] == [[150, 0.03]]  # a loss in another measure
    assert points[True, False] == [[0, 0.0], [75, 0.02]]
    assert points[False, False] == [[75, 0.02]]


def test_where_nothing_was_measured_the_figure_says_so(tmp_path):
    paths: list[Path] = [tmp_path / name for name in ("c.csv", "f.pdf", "f.png")]
    pd.DataFrame(columns=COLUMNS).to_csv(paths[0], index=False)
    figure_training(paths[:1], ["one star"], *paths[1:])
    assert all(path.stat().st_size > 1000 for path in paths[1:])
