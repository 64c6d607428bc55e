"""Small disks and read-only ones, mounted over folders of a test."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LARGE = 2**31  # bytes; memory is taken only by what is written


def mount(*words: object) -> None:
    """Mount, or skip the test where that is not permitted."""
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr.strip()}")


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """Put an empty disk of its own at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={LARGE}", "none", folder)
    try:
        yield folder
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    """Take a disk away, at the latest when the last file that an error still holds is closed."""
    subprocess.run(["umount", "--lazy", folder], check=True)


def leave(folder: Path, free: int) -> None:
    """Leave `free` bytes, in whole pages, on the disk at `folder`."""
    now = os.statvfs(folder)
    used = (now.f_blocks - now.f_bfree) * now.f_frsize
    mount("-o", f"remount,size={used + free // now.f_frsize * now.f_frsize}", folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, for root too."""
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        unmount(folder)
