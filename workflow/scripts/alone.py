"""One pipeline a folder: the second refuses, and a killed one leaves nothing to clear away."""

import fcntl
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

LOCK = Path(".snakemake/running")
_held = []  # open until this process ends


def lock_folder() -> None:
    """Be the one pipeline of this folder until this process ends, however it ends.

    Snakemake's own lock is a file that outlives a kill -9, guards nothing between two runs of other
    targets, and is deleted by whichever Snakemake ends first: the profile turns it off.

    Raises:
        WorkflowError: another one runs here.
    """
    LOCK.parent.mkdir(exist_ok=True)
    file = LOCK.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise WorkflowError(
            f"{Path.cwd()}: another pipeline (process {file.read().strip()}) runs in this folder."
            " Wait until it has ended, or run this one in a `git worktree` of its own."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _held.append(file)


def leave_folder() -> None:
    """Let another one run here, such as the Snakemake that this process starts next."""
    while _held:
        _held.pop().close()
