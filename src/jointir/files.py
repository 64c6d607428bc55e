"""Files that appear whole or not at all, and hashes over them."""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jointir.errors import InputError


@contextmanager
def atomic(out: Path) -> Iterator[Path]:
    """Yield a scratch path beside `out` that replaces `out` when the block ends without an error.

    The block may write a file or make a folder there. A file is flushed to disk before the rename.

    Raises:
        InputError: the disk is full; nothing is left behind.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}"
    try:
        yield scratch
        if scratch.is_file():
            with scratch.open("rb") as f:
                os.fsync(f.fileno())
        if out.is_dir():  # rename cannot replace a folder that holds files
            shutil.rmtree(out)
        os.replace(scratch, out)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            free = "Free some space, then run the same command again"
            raise InputError(out, "the disk is full", free) from e
        raise
    finally:
        if scratch.is_dir():
            shutil.rmtree(scratch)
        scratch.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's sorted relative names and file hashes."""
    if path.is_dir():
        names = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        text = "".join(f"{p.relative_to(path).as_posix()} {sha256(p)}\n" for p in names)
        return hashlib.sha256(text.encode()).hexdigest()
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as scratch:
        scratch.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: the file is not there, or is no JSON object.
    """
    remedy = "Delete it and rerun the stage that writes it"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise InputError(path, "there is no such file", "Run the stage that writes it") from e
    except (ValueError, RecursionError) as e:  # of JSON, and of text that is not UTF-8
        raise InputError(path, f"not JSON ({e})", remedy) from e
    if not isinstance(found, dict):
        raise InputError(path, "not a JSON object", remedy)
    return found
