"""What a bad disk, or a bad copy, does to a file."""

import errno
import os
from pathlib import Path


def no_space(*_: object, **__: object) -> None:
    """Fail as any call does that writes to a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file, in its place."""
    with path.open("r+b") as f:
        f.seek(path.stat().st_size // 2)
        (byte,) = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 1]))


def truncate(path: Path) -> None:
    """Cut a file's last byte off."""
    os.truncate(path, path.stat().st_size - 1)


def under_its_old_time(harm, path: Path) -> None:
    """Harm a file and give it the time it had, as a bad disk does."""
    before = path.stat()
    harm(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def largest(folder: Path, outs: list[str]) -> Path:
    """Return the largest file of a stage's outputs."""
    files = [p for out in outs for p in [folder / out, *(folder / out).rglob("*")] if p.is_file()]
    return max(files, key=lambda p: p.stat().st_size)
