"""How often Snakemake's scheduler looks for jobs to start."""

from pathlib import Path

from conftest import ROOT, run

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
