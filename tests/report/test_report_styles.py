"""Labels and styles of systems, known and unknown; and that reports compute no p."""

import ast
from pathlib import Path

import matplotlib
import pytest

from conftest import ROOT
from jointir.report.styles import LABELS, OTHERS, RC, STYLES, in_order, label, styles

REPORT = ROOT / "src/jointir/report"


@pytest.mark.parametrize("system", ["a-new", "zz-9", *STYLES])
def test_every_system_can_be_drawn_and_called(system):
    from matplotlib.figure import Figure

    with matplotlib.rc_context(fname=RC):
        look = styles([system])[system]
        (line,) = Figure().subplots().plot([1, 2], label=label(system), **look)
    assert line.get_label() == LABELS.get(system, system)
    assert line.get_marker() == look["marker"]


def test_unknown_systems_of_a_figure_are_told_apart():
    names = [f"my-{i}" for i in range(20)]
    found = styles([*names, "jpq"])
    assert found == styles(["jpq", *reversed(names)]) and found["jpq"] == STYLES["jpq"]
    looks = [found[name] for name in names]
    assert all(look in OTHERS for look in looks)
    assert not [look for at, look in enumerate(looks) if look in looks[:at]]
    assert len({look["color"] for look in looks}) == 5
    taken = {own["marker"] for own in STYLES.values()}
    assert not taken & {own["marker"] for own in OTHERS}


def test_an_unknown_system_looks_alike_in_figures_that_show_it_with_known_ones():
    assert styles(["my-jpq"])["my-jpq"] == styles(["jpq", "my-jpq", "opq"])["my-jpq"]


def test_unknown_systems_come_last_by_name():
    assert in_order(["zz", "opq", "aa", "jpq", "opq"]) == ["jpq", "opq", "aa", "zz"]


def test_bm25_and_brute_force_have_one_label_each():
    assert (label("bm25"), label("brute-force")) == ("BM25", "brute force (STAR)")
    said = {p.name for p in REPORT.glob("*.py") if '"BM25"' in p.read_text()}
    assert said == {"styles.py", "asi_paper.py"}  # the latter names the systems of a paper


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, and names as MODULE.NAME."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_a_report_computes_no_p():
    modules = sorted(REPORT.glob("*.py"))
    assert len(modules) > 15
    for path in modules:
        names = imported(path)
        assert "jointir.measure.significance" not in names, path.name
        assert not [name for name in names if name.startswith("scipy")], path.name
        assert "jointir.measure.comparisons.tested" not in names, path.name
