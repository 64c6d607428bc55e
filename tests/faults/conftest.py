"""What the faults share: the run that nobody disturbed."""

from pathlib import Path

import pytest

from conftest import run
from faults.part import MADE, command, hashes, part


@pytest.fixture(scope="session")
def faultless(pipeline, tmp_path_factory) -> Path:
    """Return the folder of the part, undisturbed: copy it, never change it.

    Its data are the run's of the whole preset; only the tables of fewer systems are made here.
    """
    folder = part(pipeline.folder, tmp_path_factory.mktemp("faultless") / "run", MADE)
    text = run(*command(), cwd=folder)
    assert "rule star:" not in text and "rule jpq:" not in text, "the run's own"
    return folder


@pytest.fixture(scope="session")
def expected(faultless) -> dict[str, str]:
    """Return {file: hash} of the undisturbed run."""
    return hashes(faultless)
