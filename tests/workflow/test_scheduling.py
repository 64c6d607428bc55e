"""How often Snakemake's scheduler looks for jobs to start, and how much memory they ask for."""

import sys
from pathlib import Path

import pytest

from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
from scheduling import memory

SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workflow.scripts.scheduling import no_rate_limit

onstart:
    no_rate_limit(workflow)

rule all:
    input: "a", "b"

rule one:
    output: "{{name,[ab]}}"
    shell: "sleep 2; touch {{output}}"
"""


def looks(cwd: Path, *options: str) -> int:
    """Return how often the scheduler looked for jobs to start."""
    (cwd / "Snakefile").write_text(SNAKEFILE)
    text = run("snakemake", "--cores", "1", "--verbose", *options, cwd=cwd)
    assert (cwd / "a").exists() and (cwd / "b").exists()
    return text.count("Ready jobs: ")


def test_the_scheduler_looks_at_the_start_and_when_a_job_has_ended(tmp_path):
    assert looks(tmp_path) == 3  # the last time at `all`


def test_a_limit_that_somebody_sets_stays_and_is_looked_after(tmp_path):
    assert looks(tmp_path, "--max-jobs-per-timespan", "50/1s") > 3


def test_memory_grows_with_the_bytes_of_files_and_folders(tmp_path):
    folder, file = tmp_path / "docs", tmp_path / "index"
    folder.mkdir()
    for path, size in ((folder / "a", 600_000), (folder / "b", 400_000), (file, 2_500_000)):
        path.write_bytes(bytes(size))
    read = {"docs": str(folder), "index": [str(file), str(file)]}
    assert memory(100)({}, read) == 100
    assert memory(100, docs=5)({}, read) == 105
    assert memory(100, docs=5, index=0.5)({}, read) == 108  # 100 + 5 + 2.5, and up
    with pytest.raises(FileNotFoundError):
        memory(100, docs=5)({}, {"docs": str(tmp_path / "none")})
