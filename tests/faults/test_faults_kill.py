"""kill -9 of the whole process group, at any moment; then the same command again."""

import random
import time

import pytest
from safetensors import safe_open

from conftest import run
from faults.part import (
    DATA,
    GIVEN,
    command,
    every_step,
    hashes,
    jobs_left,
    kill,
    part,
    start,
    until,
)

KILLS, JOBS = 10, 28  # the jobs of the part, without download, corpus and checkpoint
MODEL = DATA / "systems/jpq/M16/query_encoder"


def moments(seed: int) -> list[tuple[int, float]]:
    """Draw when to kill: after how many jobs are left, and how many seconds later.

    Counted in jobs, so that the moments are spread over the run on a machine of any speed.
    """
    draw = random.Random(seed)
    left = sorted(draw.sample(range(2, JOBS + 1), KILLS), reverse=True)
    return [(n, draw.uniform(0, 4)) for n in left]


@pytest.mark.slow
def test_ten_kills_change_nothing(pipeline, expected, tmp_path):
    folder = part(pipeline.folder, tmp_path / "killed", GIVEN, every_step("star", "jpq"))
    for left, seconds in moments(seed=6):
        process = start(folder)
        until(lambda n=left: jobs_left(folder) <= n, process, folder)
        at = time.monotonic() + seconds
        # a fast machine may be at its last job before
        until(lambda t=at: time.monotonic() > t or jobs_left(folder) <= 1, process, folder)
        kill(process, folder)
    run(*command(), cwd=folder)
    assert hashes(folder) == expected


def saved_step(folder) -> int:
    """Return the step that JPQ's checkpoint holds, 0 where there is none."""
    path = folder / DATA / "scratch/jpq-M16/checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, "pt") as f:
        return int(f.metadata()["step"])


def test_a_killed_training_goes_on_where_it_was(faultless, expected, tmp_path):
    """With the same command, and no lock to clear away."""
    kept = [*GIVEN, "star", "tune", "systems/opq/M16"]
    folder = part(faultless, tmp_path / "killed", kept, every_step("jpq"))
    process = start(folder, *command(str(MODEL)))
    until(lambda: saved_step(folder) >= 3, process, folder)
    kill(process, folder)
    step = saved_step(folder)
    assert 3 <= step < 12 and not (folder / MODEL).exists()
    run(*command(str(MODEL)), cwd=folder)
    log = (folder / "logs/apidocs-ci/jpq/M16.log").read_text()
    assert f"resumed after step {step}\n" in log
    found = hashes(folder)
    assert f"{MODEL}/model.safetensors" in found and found.items() <= expected.items()
