"""A method is one file, a system one entry: what a user adds, and where it is found afterwards."""

import json
import subprocess
import sys
from pathlib import Path

import faiss
import pandas as pd
import pytest
import yaml

from conftest import CI, ENV, bridge, edit_params, run

DATA = "data/apidocs-ci"
METHOD = '''"""Signs of a random rotation: one bit for each of 8M directions at right angles."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built
from jointir.settings import Option

FACTS = Facts(Form.INDEX)


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""

    spin: Annotated[int, Option("added to the seed of the rotation", least=0)] = 0


def new(D: int, settings: Settings):
    """Return the index before its documents are added."""
    import faiss

    rotation = faiss.RandomRotationMatrix(D, 8 * settings.M)
    rotation.init(settings.seed + settings.spin)
    signs = faiss.IndexLSH(8 * settings.M, 8 * settings.M, False)
    return faiss.IndexPreTransform(rotation, signs)
'''
ENTRY = {"signs": {"method": "signs", "M": [16], "seed": 3, "spin": 2}}
WRITTEN = {"docs/parameters.md", "dvc.yaml"}  # by the project's own scripts


@pytest.fixture(scope="module")
def added(pipeline, tmp_path_factory) -> Path:
    """Return a copy of the run in which the method was added as docs/extending.md says."""
    folder = tmp_path_factory.mktemp("added") / "project"
    run("cp", "-a", pipeline.folder, folder, cwd=pipeline.folder)
    (folder / "src/jointir/methods/signs.py").write_text(METHOD)
    preset = yaml.safe_load((folder / CI).read_text())
    systems = [*preset["figure4"]["systems"], "signs"]
    edit_params(folder, {"systems": ENTRY, "figure4": {"systems": systems}})
    preset["figure4"]["systems"] = systems
    (folder / "mine.yaml").write_text(yaml.safe_dump(preset))
    (folder / "docs").mkdir(exist_ok=True)
    log = run("snakemake", "--cores", "2", "reports/figure4.pdf", "--configfile", "mine.yaml",
              cwd=folder)  # fmt: skip
    assert "rule build:" in log and not [n for n in ("star", "jpq", "dpq") if f"rule {n}:" in log]
    bridge("write", folder)
    run(sys.executable, "workflow/scripts/parameters_page.py", "write", cwd=folder)
    return folder


def test_its_row_is_in_the_results_and_its_line_in_figure_4(added, tmp_path):
    results = pd.read_csv(added / "reports/tables/results.csv")
    own = results[results["system"].eq("signs")]
    assert sorted(own["split"].unique()) == ["dev", "test"] and set(own["setting"]) == {"M=16"}
    assert set(own["bytes_per_doc"]) == {16} and own["value"].between(0.05, 1).all()
    assert "| signs | M=16 | 16 |" in (added / "reports/tables/figure4.md").read_text()
    code = """
import sys
from pathlib import Path
from jointir.measure.results import read_results
from jointir.report.figure4 import render
from jointir.report.tables import final_rows
rows = final_rows(read_results([Path("reports/tables/results.csv")]))
print([line.get_label() for line in render(rows).axes[0].get_lines()])
"""
    env = ENV | {"PYTHONPATH": str(added / "src")}
    told = subprocess.run([sys.executable, "-c", code], cwd=added, env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert "'signs'" in told.stdout and "'JPQ'" in told.stdout


def test_its_index_is_what_the_method_says(added):
    index = faiss.read_index(str(added / DATA / "systems/signs/M16/index.faiss"))
    assert index.ntotal > 0 and faiss.downcast_index(index.index).code_size == 16
    meta = json.loads((added / DATA / "runs/signs/M16/meta.json").read_text())
    assert meta["seed"] == 3 and meta["bytes"]["codes"] == 16 * index.ntotal


def test_its_stage_is_in_dvc_yaml_with_its_own_params(added):
    stages = yaml.safe_load((added / "dvc.yaml").read_text())["stages"]
    named = {p for one in stages["signs"]["params"] for own in one.values() for p in own}
    assert "systems.signs" in named  # all of the entry: spin, seed and M
    assert [path for out in stages["signs"]["outs"] for path in out] == [
        "data/apidocs/systems/signs"
    ]
    assert {"src/jointir/methods", "data/apidocs/star"} <= set(stages["signs"]["deps"])


def test_its_options_are_explained(added):
    env = ENV | {"PYTHONPATH": str(added / "src"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "jointir", "signs", "--help"]
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    assert "--spin" in told and "added to the seed of the rotation (at least 0)" in told
    page = (added / "docs/parameters.md").read_text()
    assert "signs" in page and "added to the seed of the rotation" in page


def test_a_wrong_setting_is_refused_before_anything_runs(added):
    told = run("snakemake", "-n", "--config", "systems={signs: {spin: -1}}", cwd=added, ok=False)
    assert told.splitlines()[-1].startswith("systems.signs.spin: -1 is less than the minimum of 0")


def test_nothing_else_was_touched(added, pipeline):
    def files(folder: Path) -> dict[str, bytes]:
        kept = ("src", "workflow", "docs", "tests", "Snakefile", "dvc.yaml")
        paths = [p for name in kept for p in [folder / name, *(folder / name).rglob("*")]]
        paths = [p for p in paths if p.is_file() and "__pycache__" not in p.parts]
        return {str(p.relative_to(folder)): p.read_bytes() for p in paths}

    before, after = files(pipeline.folder), files(added)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"src/jointir/methods/signs.py", *WRITTEN} & set(after)
