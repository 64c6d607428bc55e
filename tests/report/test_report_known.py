"""What a report says of itself is read from its file's text, and is what the stage takes."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

from jointir.basics.errors import InputError
from jointir.report import known
from jointir.report.known import Report, reports

MINE = '''"""Mine."""

from pathlib import Path

from jointir.report.known import report


@report(stage="speed", figure="figure5", writes={"lines": "reports/tables/mine.md"})
def mine(
    results: list[Path],  # several
    M: int,
    lines: Path,
    out: Path,
) -> None:
    """Draw mine."""
'''


@pytest.mark.parametrize("own", reports().values(), ids=reports())
def test_the_text_says_what_the_stage_takes(own):
    stage = getattr(importlib.import_module(f"jointir.{own.module}"), own.name)
    assert tuple(inspect.signature(stage).parameters) == own.options
    assert {*own.inputs(), *own.outputs()} == set(own.options)
    assert own.outputs() and not {*own.inputs()} & {*own.outputs()}
    assert set(own.reads) <= set(own.options) and set(own.writes) <= set(own.options)
    assert all(path.startswith("reports/") for path in own.outputs().values())


def test_no_two_reports_write_one_file():
    paths = [path for own in reports().values() for path in own.outputs().values()]
    assert len(paths) == len(set(paths)) > 20


def test_nothing_heavy_is_imported_to_find_them():
    code = "import sys; from jointir.report.known import reports; reports(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"pandas", "numpy", "matplotlib", "torch"} & set(done.stdout.split())


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return what writes files of reports and finds the reports in them."""

    def found(**texts: str) -> dict[str, Report]:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
        return reports()

    monkeypatch.setattr(known, "FOLDER", tmp_path)
    reports.cache_clear()
    yield found
    reports.cache_clear()


def test_a_report_is_read_with_its_defaults(read):
    assert read(mine=MINE, other='"""Of no report."""') == {
        "mine": Report(
            name="mine",
            module="report.mine",
            options=("results", "M", "lines", "out"),
            stage="speed",
            figure="figure5",
            writes={"lines": "reports/tables/mine.md"},
        )
    }
    own = reports()["mine"]
    assert own.inputs() == {"results": "results", "M": "M"}
    assert own.outputs() == {"out": "reports/mine.pdf", "lines": "reports/tables/mine.md"}


@pytest.mark.parametrize(
    ("name", "title", "command"),
    [
        ("figure7", "Figure 7", "figure7"),
        ("figure_scaling", "Figure scaling", "figure-scaling"),
        ("asi_table3", "ASI's table 3", "asi-table3"),
    ],
)
def test_how_a_report_is_called(name, title, command):
    own = Report(name=name, module="report.m", options=(), stage="report")
    assert (own.title, own.command) == (title, command)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("-> None:", "-> int:", "@report(...) is not followed by `def NAME(...) -> None:`"),
        ('"speed"', "SPEED", "malformed node or string"),
        ("figure=", "figures=", "Report.__init__() got an unexpected keyword argument 'figures'"),
        ('stage="speed", ', "", "Report.__init__() missing 1 required keyword-only argument: 'st"),
        ('stage="speed",', 'stage="speed"', "invalid syntax"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_file(read, old, new, told):
    assert old in MINE
    line = f"src/jointir/report/mine.py: its @report cannot be read, {told}"
    with pytest.raises(InputError, match=re.escape(line)):
        read(mine=MINE.replace(old, new))


def test_a_name_that_stands_twice_is_refused(read):
    line = "src/jointir/report/other.py: report.mine has another report 'mine'. Choose another name"
    with pytest.raises(InputError, match=re.escape(line)):
        read(mine=MINE, other=MINE)
