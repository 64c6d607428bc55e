"""A sandbox that was killed is no obstacle to the next one; another's Slurm is left alone."""

import os
from pathlib import Path

import pytest

from cluster import sandbox


@pytest.fixture
def etc(tmp_path, monkeypatch) -> Path:
    """Return the folder that stands for /etc/slurm."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(sandbox, "ETC", folder)
    monkeypatch.setattr(sandbox, "PROGRAMS", [])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def killed(etc: Path, root: Path, pid: int) -> None:
    """Leave what a sandbox leaves that could not end."""
    root.mkdir()
    (root / "slurmctld.pid").write_text(f"{pid}\n")
    for name in sandbox.FILES:
        (root / name).touch()
        (etc / name).symlink_to(root / name)


def test_what_a_killed_sandbox_left_is_cleared_away(etc, tmp_path):
    killed(etc, tmp_path / "slurm-killed", pid=2**22 + 1)  # no process has it
    assert sandbox.why_not() == ""
    assert list(etc.iterdir()) == [] and not (tmp_path / "slurm-killed").exists()


def test_a_link_to_nowhere_too(etc, tmp_path):
    (etc / "slurm.conf").symlink_to(tmp_path / "slurm-gone/slurm.conf")
    assert sandbox.why_not() == ""
    assert list(etc.iterdir()) == []


def test_a_sandbox_that_runs_is_left_alone(etc, tmp_path):
    killed(etc, tmp_path / "slurm-runs", pid=os.getpid())
    assert sandbox.why_not() == f"{etc} is of another Slurm"
    assert (tmp_path / "slurm-runs/slurm.conf").exists()


def test_anothers_slurm_is_left_alone(etc):
    (etc / "slurm.conf").write_text("ClusterName=theirs")
    assert sandbox.why_not() == f"{etc} is of another Slurm"
    assert (etc / "slurm.conf").read_text() == "ClusterName=theirs"
