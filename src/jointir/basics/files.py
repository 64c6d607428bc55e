"""Files that appear whole or not at all, and hashes over them."""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jointir.basics.errors import InputError

# how faiss, safetensors, tokenizers and NumPy tell of a full disk, without an errno
FULL = re.compile(r"No space left|quota exceeded|\d+ requested and \d+ written", re.IGNORECASE)


@contextmanager
def atomic(out: Path) -> Iterator[Path]:
    """Yield a scratch path beside `out` that replaces `out` when the block ends without an error.

    The block may write a file or make a folder there. A file is flushed to disk before the rename.
    What a killed process left of the same `out` is deleted first.

    Raises:
        InputError: the disk is full, or the folder is read-only; nothing is left behind.
    """
    scratch = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for left in out.parent.glob(f".{glob.escape(out.name)}.{'[0-9a-f]' * 8}"):
            _delete(left)
        yield scratch
        if scratch.is_file():
            with scratch.open("rb") as f:
                os.fsync(f.fileno())
        if out.is_dir():  # rename cannot replace a folder that holds files
            shutil.rmtree(out)
        os.replace(scratch, out)
    except Exception as e:
        if told := _told(out, e):
            raise told from e
        raise
    finally:
        _delete(scratch)


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those before it: matplotlib's PDF raises another while it closes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _full(error: BaseException) -> bool:
    told = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return told or FULL.search(str(error)) is not None


def _told(out: Path, error: Exception) -> InputError | None:
    """Return what to tell the user of an error of the disk while `out` was written."""
    if any(map(_full, _chain(error))):
        free = "Free some space, then run the same command again"
        return InputError(out, "the disk is full", free)
    folder = next(p for p in out.absolute().parents if p.exists())
    if not isinstance(error, InputError) and not os.access(folder, os.W_OK):
        allow = "Make it writable for this user, then run the same command again"
        return InputError(out, f"the folder {folder} is read-only", allow)
    return None


def new_matrix(path: Path, dtype: str, shape: tuple[int, ...]) -> np.memmap:
    """Make an .npy file of this shape and map it.

    Its space is reserved: on a full disk a write to a mapped page is a bus error, which nothing
    catches.
    """
    matrix = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as f:
            os.posix_fallocate(f.fileno(), 0, path.stat().st_size)
    return matrix


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
