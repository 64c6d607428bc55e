"""Two pipelines in one folder, and a clock that was set back."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from conftest import bridge, run
from faults.part import DATA, GIVEN, command, hashes, part, start, told, until

QUERIES = DATA / "star/queries.npy"
DAY = 86_400


def test_the_second_pipeline_refuses_and_the_first_ends_well(faultless, expected, tmp_path):
    folder = part(faultless, tmp_path / "run", [*GIVEN, "star/model", "star/training.csv"])
    first = start(folder, *command(str(QUERIES)))
    until(lambda: "rule embed_queries:" in told(folder), first, folder)
    refused = f"{folder}: another pipeline (process {first.pid}) runs in this folder. Wait until"
    os.killpg(first.pid, signal.SIGSTOP)  # or it may end before the second has begun
    try:
        assert refused in run(*command("reports/tables/sizes.csv"), cwd=folder, ok=False)
        assert refused in bridge("run star", folder, ok=False)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert first.wait() == 0, told(folder)
    found = hashes(folder)
    assert str(QUERIES) in found and found.items() <= expected.items()


def shift(folder: Path, seconds: int) -> None:
    """Make everything in the folder newer, as it is after the clock was set back."""
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            record |= {key: record[key] + seconds for key in ("starttime", "endtime")}
            path.write_text(json.dumps(record))
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, ns=(t := path.stat().st_mtime_ns + seconds * 10**9, t))


@pytest.mark.slow
def test_a_clock_set_back_is_told_and_changes_nothing(faultless, expected, tmp_path):
    """What is made now would be older than what it is made of: Snakemake refuses it."""
    folder = tmp_path / "run"
    run("cp", "-a", faultless, folder, cwd=tmp_path)
    for path in [folder / "reports", folder / DATA / "measures/jpq"]:
        shutil.rmtree(path)
    (folder / "data/results.made").unlink()
    shift(folder, DAY)
    text = run(*command(), cwd=folder, ok=False)
    made = DATA / "measures/jpq/M16/dev.parquet"
    assert f"Output {made} has older modification time" in text and "clock skew" in text
    assert not (folder / made).exists()
    shift(folder, -DAY)  # the clock is right again
    run(*command(), cwd=folder)
    assert hashes(folder) == expected
