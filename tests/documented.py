"""The commands that README and docs give, as they stand there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conftest import ENV, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# these are run by test_dvc.py, the others by test_pipeline_docs.py
OF_DVC = re.compile(r"\./run (dvc|jointir compare|python workflow/scripts/dvc_bridge)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What is long is cut short by what stands behind the command: (beginning, what is added).
SHORTER = [
    ("./run pytest", "--collect-only -q"),
    ("./run pip install", "--dry-run --no-deps"),
    ("./run accelerate", "--help"),
    ("./run python benchmarks/corpus_scale.py", "--help"),  # minutes, however few documents
    ("./run python benchmarks/search_negatives.py", "--N 5000 --D 64 --M 8 --rounds 1"),
    ("./run python benchmarks/gpu_negatives.py", "--N 5000 --D 64 --M 8 --rounds 1"),
    ("./run jointir scaling", "--help"),  # a list of sizes grows with each that is added
]


def blocks(language: str) -> Iterator[str]:
    """Yield the code blocks of a language in all pages."""
    for page in PAGES:
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield text


def commands() -> list[str]:
    """Return every command of the pages, its comment left out and its lines joined."""
    lines = [line for text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    return [re.sub(r"\s+#.*$", "", line).strip() for line in lines if line.strip()]


def bare(command: str) -> str:
    """Return a command without the variables that it sets."""
    return re.sub(r"^(\w+=(\"[^\"]*\"|\S*)\s+)+", "", command)


def shorter(command: str) -> str:
    """Return the command with what makes it short, where it is long."""
    added = [more for begin, more in SHORTER if bare(command).startswith(begin)]
    if "--configfile" in command:  # another corpus
        added.append("-n")
    if "profiles/slurm" in command:  # tests/cluster has one
        added.append("--dry" if "dvc" in command else "-n")
    return " ".join([command, *added])


def prepare(folder: Path) -> None:
    """Let `./run` find this environment in a copy of the project, and tests and benchmarks."""
    for name in ("run", "requirements.lock", "README.md", "docs", "tests", "benchmarks"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, dirs_exist_ok=True)
        else:
            shutil.copy2(source, folder / name)
    made_from = "cat requirements.lock pyproject.toml | git hash-object --stdin"
    wanted = subprocess.run(made_from, cwd=folder, shell=True, capture_output=True, check=True)
    (folder / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        (folder / ".venv" / part.name).symlink_to(part)
    (folder / ".venv/made-from").unlink(missing_ok=True)  # a link
    (folder / ".venv/made-from").write_bytes(wanted.stdout)


def do(command: str, folder: Path, **variables: str) -> str:
    """Run a command by bash, as a reader would, and return what it printed."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=ENV | variables,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout[-6000:] + done.stderr[-6000:])
    return done.stdout + done.stderr
