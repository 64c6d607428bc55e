"""docs/parameters.md is what workflow/scripts/parameters_page.py writes of schema and params."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from conftest import ROOT, run

SCRIPT, PAGE = "workflow/scripts/parameters_page.py", "docs/parameters.md"
PARTS = [SCRIPT, PAGE, "workflow/scripts/schema.py", "workflow/schemas/params.schema.yaml"]
PARTS += ["params", "src/jointir"]


def copied(to: Path) -> Path:
    """Copy what the script reads and writes."""
    for name in PARTS:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, to / name)
    return to


def leaves(params: dict, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and the value of every parameter."""
    for key, value in params.items():
        at = f"{path}.{key}".strip(".")
        yield from leaves(value, at) if isinstance(value, dict) else [(at, value)]


def test_the_committed_page_is_what_the_script_writes(tmp_path):
    folder = copied(tmp_path)
    run(sys.executable, SCRIPT, "check", cwd=folder)
    run(sys.executable, SCRIPT, "write", cwd=folder)
    assert (folder / PAGE).read_bytes() == (ROOT / PAGE).read_bytes()
    params = folder / "params/systems.yaml"
    params.write_text(params.read_text().replace("steps: 150", "steps: 151"))
    assert "is stale" in run(sys.executable, SCRIPT, "check", cwd=folder, ok=False)
    assert "write, or check" in run(sys.executable, SCRIPT, "sync", cwd=folder, ok=False)
    run(sys.executable, SCRIPT, "write", cwd=folder)
    page = (folder / PAGE).read_text()
    assert "| `systems.jpq` |  | `{method: jpq, start: opq, steps: 151, batch: 32," in page
    assert "| `systems.NAME.steps` | integer, ≥ `1` | required | batches" in page


def default(told: dict[str, str], at: str) -> object:
    """Return the default that the page tells of a parameter: in its own row, or a row above it."""
    keys = at.split(".")
    above = [".".join(keys[:n]) for n in range(len(keys), 0, -1)]
    row = next(name for name in above if told.get(name))
    value = yaml.safe_load(told[row])
    for key in keys[len(row.split(".")) :]:
        value = value[key]
    return value


def test_the_page_has_every_parameter_with_its_default():
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    told = {row[0].strip("`"): row[2].strip("`") for row in rows}
    for path in (ROOT / "params").glob("*.yaml"):
        for at, value in leaves(yaml.safe_load(path.read_text())):
            assert default(told, at) == value, at
