"""Two processes train as one does: real ones, of `accelerate launch`, on CPUs over gloo."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from conftest import ENV, ROOT
from jointir import cli
from jointir.basics.errors import InputError
from jointir.encode.encoder import DualEncoder, turn_off_dropout
from jointir.joint import jpq
from jointir.methods.known import facts
from jointir.quantize.pq import read_pq
from jointir.train import processes
from jointir.train.processes import Place, own_rows
from launched import STEPS, STOPPED, Training, losses_of, trainings
from tiny import Tiny, make


@dataclass(frozen=True)
class Runs:
    """The outputs of one process and of two, and what they have seen and printed."""

    alone: Path
    together: Path
    scratch: Path
    losses: dict[str, list[float]]
    ranks: list[dict]
    log: str


def without_dropout(encoder: Path) -> None:
    """Rewrite an encoder's settings: dropout is another one in every process."""
    model = DualEncoder.load(encoder)
    turn_off_dropout(model.model)
    model.save(encoder)


def launch(tiny: Tiny, out: Path, scratch: Path) -> str:
    """Train everything in two processes; return what they print."""
    options = ["--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    paths = [str(p) for p in (*astuple(tiny), out, scratch)]
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, "tests/launched.py", *paths],
        env=ENV | {"CUDA_VISIBLE_DEVICES": ""},
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def stop(training: Training, scratch: Path) -> None:
    """Run a JPQ training of one process up to step `STOPPED`, and leave its checkpoint."""
    steps = iter(range(STOPPED))
    right = jpq.lambdarank
    training = replace(training, options=training.options | {"checkpoint_minutes": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpq, "lambdarank", lambda *a: right(*a) + 0 * next(steps))
        folder = scratch.parents[1]
        patch.chdir(folder)  # it leaves the trace of an error that is not the user's
        losses_of(training, scratch, code=1)
    assert next(steps, None) is None, "it was the step after the last that failed"
    (trace,) = folder.glob("logs/traceback-jpq-*.txt")
    assert "StopIteration" in trace.read_text()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    folder = tmp_path_factory.mktemp("processes")
    tiny = make(folder)
    without_dropout(tiny.encoder)
    alone, together, scratch = (folder / name for name in ("alone", "together", "scratch"))
    every = trainings(tiny, alone)
    losses = {name: losses_of(every[name], scratch / name) for name in every}
    stop(every["resumed"], scratch / "resumed")
    log = launch(tiny, together, scratch)
    ranks = [json.loads((together / f"rank{r}.json").read_text()) for r in range(2)]
    return Runs(alone, together, scratch, losses, ranks, log)


def test_every_stage_that_may_be_launched_so_is_compared(tmp_path):
    every = trainings(Tiny(*[tmp_path] * 5), tmp_path)
    shared = {name for name, its in facts().items() if its.shares}
    assert {training.stage for training in every.values()} == shared


def test_the_loss_curve_is_that_of_one_process(runs):
    first, second = (rank["losses"] for rank in runs.ranks)
    assert first == second  # each knows the loss of the whole batch
    assert first.keys() == runs.losses.keys()
    for name, losses in runs.losses.items():
        expected = losses[STOPPED:] if name == "resumed" else losses
        np.testing.assert_allclose(first[name], expected, rtol=0, atol=1e-4, err_msg=name)
        assert np.ptp(expected) > 0.1  # there is something to follow


def test_the_weights_are_those_of_one_process(runs):
    for name in runs.losses:
        alone, together = (
            load_file(folder / name / "model.safetensors") for folder in (runs.alone, runs.together)
        )
        assert alone.keys() == together.keys()
        for key, weight in alone.items():
            # softmax does not see the keys' bias: its gradient is rounding, which AdamW blows up
            if not key.endswith("key.bias"):
                message = f"{name} {key}"
                np.testing.assert_allclose(together[key], weight, atol=1e-4, err_msg=message)


def test_the_centroids_are_those_of_one_process(runs):
    for name in ("jpq", "uneven-jpq", "resumed"):
        alone, together = (read_pq(f / f"{name}.faiss") for f in (runs.alone, runs.together))
        np.testing.assert_allclose(together.centroids, alone.centroids, atol=1e-5, err_msg=name)
        assert np.array_equal(together.codes, alone.codes)


def test_one_process_speaks_and_writes_for_all(runs):
    done = runs.log.splitlines()
    for name, times in {"star": 2, "own negatives": 1, "adore": 1, "jpq": 3}.items():
        said = [line for line in done if line.startswith(f"{name}: {STEPS}/{STEPS} steps")]
        assert len(said) == times
    assert runs.log.count(f"resumed after step {STOPPED}") == 1
    assert not list(runs.scratch.iterdir())  # no checkpoint is left, and no file of negatives
    names = {p.name for p in runs.together.iterdir()} - {"rank0.json", "rank1.json"}
    assert names == {p.name for p in runs.alone.iterdir()}


def test_dropout_differs_from_process_to_process(runs):
    drawn = [rank["drawn"] for rank in runs.ranks]
    assert drawn[0] != drawn[1]
    torch.manual_seed(3 * 1_000_003 + 7)  # what one process draws from at step 7 with seed 3
    assert drawn[0] == torch.rand(4).tolist()


def test_processes_that_resume_from_different_steps_are_refused(runs):
    for rank in runs.ranks:
        assert "another step for another. Choose a scratch folder that all" in rank["refused"]


@contextmanager
def as_process(rank: int, count: int) -> Iterator[None]:
    """Be process `rank` of `count` while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "place", lambda: Place(rank, count, torch.device("cpu")))
        yield


def share_of(rank: int, count: int, n: int) -> list[int]:
    """Return the rows of n that are the share of process `rank`."""
    with as_process(rank, count):
        return list(range(n))[own_rows(n)]


@given(st.integers(1, 9), st.integers(0, 40))
def test_shares_are_even_and_leave_no_row_out(count, more):
    found = [share_of(rank, count, count + more) for rank in range(count)]
    assert [row for rows in found for row in rows] == list(range(count + more))
    sizes = [len(rows) for rows in found]
    assert 0 < min(sizes) <= max(sizes) <= min(sizes) + 1


def test_fewer_rows_than_processes_are_refused():
    with pytest.raises(InputError, match="batch: 2 rows for 3 processes"):
        share_of(0, 3, 2)


def test_a_stage_that_would_repeat_its_work_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["jointir", "embed"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "embed: was launched in 2 processes" in capsys.readouterr().err
