"""A figure is one file: what a user adds, and where it is found afterwards."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import ENV, ROOT, bridge, clone, run

KEPT = '''"""How much of brute force's effectiveness each run keeps, against its size."""

from pathlib import Path

from jointir.measure.results import read_results
from jointir.report.known import report
from jointir.report.styles import RC, panel_figure, save
from jointir.report.tables import final_rows


@report(stage="report", figure="figure4", category="Effectiveness and index size")
def kept_shares(results: list[Path], out: Path, png: Path) -> None:
    """Draw how much of brute force's effectiveness each run keeps, as a PDF (`out`) and a PNG."""
    import matplotlib

    def draw(ax, rows):
        exact = rows.loc[rows["system"].eq("brute-force"), "value"].max()
        ax.plot(rows["bytes_per_doc"], rows["value"] / exact, "o")

    rows = final_rows(read_results(results))
    with matplotlib.rc_context(fname=RC):
        save(panel_figure(rows, draw, "bytes per document", 2.5, 0.3), out, png)
'''
FILE = "src/jointir/report/kept_shares.py"
RESULTS = ROOT / "reports/tables/results.csv"  # committed


@pytest.fixture(scope="module")
def added(tmp_path_factory) -> Path:
    """Return a copy of the project with the figure that docs/extending.md shows."""
    folder = clone(tmp_path_factory.mktemp("report") / "project")
    (folder / FILE).write_text(KEPT)
    return folder


def jointir(folder: Path, *words: str) -> str:
    env = ENV | {"PYTHONPATH": str(folder / "src"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "jointir", *words]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout


def test_the_docs_show_this_very_file():
    assert KEPT in (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def test_its_rule_makes_it_from_the_results_of_figure_4(added):
    told = run("snakemake", "-n", "-p", "reports/kept_shares.png", cwd=added)
    (own,) = re.findall(r"^rule kept_shares:$.*?^Shell command: (.*?)$", told, re.M | re.S)
    assert own == (
        "(jointir kept-shares --results reports/tables/results.csv --out reports/kept_shares.pdf"
        " --png reports/kept_shares.png ) 2>&1 | tee logs/kept-shares.log"
    )
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", told, re.M))
    assert (jobs["kept_shares"], jobs["results"], jobs["jpq"]) == ("1", "1", "7")
    inputs = re.search(r"^rule kept_shares:\n +input: (.*)$", told, re.M)[1].split(", ")
    assert {"data/results.made", "src/jointir/report/matplotlibrc", FILE} <= set(inputs)


def test_its_command_draws_it(added, tmp_path):
    assert "--results" in jointir(added, "kept-shares", "--help")
    assert "kept-shares" in jointir(added, "--help").split()
    for name in ("a", "b"):
        files = ["--out", f"{tmp_path}/{name}.pdf", "--png", f"{tmp_path}/{name}.png"]
        jointir(added, "kept-shares", "--results", str(RESULTS), *files)
    for kind in ("pdf", "png"):
        a, b = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
        assert a == b and len(a) > 5000


def test_its_files_are_in_dvc_yaml_and_nothing_else_changes(added):
    bridge("write", added)
    before, after = (yaml.safe_load((f / "dvc.yaml").read_text()) for f in (ROOT, added))
    outs = after["stages"]["report"]["outs"]
    own = [out for out in outs if next(iter(out)).startswith("reports/kept_shares.")]
    assert own == [
        {"reports/kept_shares.pdf": {"persist": True}},
        {"reports/kept_shares.png": {"persist": True, "cache": False}},
    ]
    after["stages"]["report"]["outs"] = [out for out in outs if out not in own]
    assert after == before


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "results: list",
            "result: list",
            "reads of kept_shares: 'result' is unknown. Choose of results, comparisons, ",
        ),
        ('figure="figure4"', 'figure="figure2"', "figure of kept_shares: 'figure2' is unknown. "),
        (
            'figure="figure4"',
            'figure="asi"',
            "figure of kept_shares: 'asi' is unknown. Choose of ",
        ),
        (
            'stage="report"',
            'stage="reports"',
            "stage of kept_shares: 'reports' is unknown. ",
        ),
        ("@report(", '@report(beside=("figure9",), ', "beside of kept_shares: 'figure9' is unkno"),
        ("def kept_shares", "def measure", "another rule is named 'measure'. Choose another name"),
        ("@report(", "@report(3 + , ", "its @report cannot be read, invalid syntax"),
    ],
)
def test_one_that_cannot_be_made_is_refused_in_one_line(added, tmp_path, old, new, line):
    folder = tmp_path / "project"
    folder.mkdir()
    for path in added.iterdir():  # links, but for the file's own folders
        (folder / path.name).symlink_to(path)
    (folder / "src").unlink()
    shutil.copytree(added / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    assert old in KEPT
    (folder / FILE).write_text(KEPT.replace(old, new, 1))
    told = run("snakemake", "-n", "reports/figure4.pdf", cwd=folder, ok=False)
    assert told.splitlines()[-1].startswith(f"{FILE}: {line}")
    assert "Traceback" not in told
