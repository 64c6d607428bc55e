"""How a stage that failed is told: one line on stderr, never a bare traceback."""

import contextlib
import errno
import importlib.metadata
import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jointir import __version__
from jointir.basics.errors import InputError

FAILED, INTERRUPTED = 1, 130  # exit codes; 130 is the shell's for Ctrl-C
PACKAGES = ("torch", "faiss-cpu", "faiss-gpu", "numpy", "pandas", "transformers")
# how libraries tell of memory that they did not get, beside MemoryError
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")


@contextmanager
def told(stage: str) -> Iterator[None]:
    """End the process with one line on stderr where the block raises; SystemExit passes."""
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        if _is_first(stage):
            _print(f"jointir {stage}: {_line(stage, error)}")
        sys.exit(code)


def _line(stage: str, error: BaseException) -> str:
    """Return what to tell of an error, without the name of the stage."""
    text = _short(error)
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted. Run the same command again: a training goes on from its checkpoint"
    if isinstance(error, FloatingPointError):
        return f"{text}. Choose a lower lr, and check scale and the embeddings' lengths"
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return (
            f"there is not enough memory ({text}). Choose a smaller batch, batch_tokens or sample,"
            " run fewer jobs at once, or use a machine with more"
        )
    if isinstance(error, ImportError) and not (error.name or "").startswith("jointir"):
        return (
            f"a library cannot be imported ({text}). Install jointir again with what it needs:"
            " pip install -e . in its folder"
        )
    if isinstance(error, BrokenPipeError):
        return (
            "what reads its output has ended. Run it again and read to the end, or write to a file"
        )
    if isinstance(error, OSError) and _of_the_machine(error):
        where = f"{error.filename}: " if error.filename is not None else ""
        return (
            f"{where}{error.strerror}. Correct the path, its permissions or the space that is"
            " left, then run the same command again"
        )
    return (
        "this is a fault of jointir, not of your input:"
        f" {type(error).__name__}: {text}. {_kept(stage, error)}"
    )


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return lines[0][:200].rstrip(".")


def _of_the_machine(error: OSError) -> bool:
    """Tell an error of files and disks: it names a file, or says that there is no space."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return error.strerror is not None and (error.filename is not None or full)


def _kept(stage: str, error: BaseException) -> str:
    """Write the trace to a file; return where it is and what to do with it."""
    report = _report(error)
    name = f"traceback-{stage}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    for folder in (Path("logs"), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True)
            path = folder.absolute() / name
            path.write_text(report, encoding="utf-8", errors="backslashreplace")
            return f"Its trace is in {path}. Send that file to jointir's maintainers"
    _print(report)
    return "Its trace is above: no file could be written. Send it to jointir's maintainers"


def _report(error: BaseException) -> str:
    """Return the command line, versions and the trace of an error."""
    versions = [f"python {platform.python_version()}", f"jointir {__version__}"]
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    lines = [shlex.join(["jointir", *sys.argv[1:]]), *versions, platform.platform(), ""]
    return "\n".join([*lines, *traceback.format_exception(error)])


def _is_first(stage: str) -> bool:
    """Say whether this process is the one to tell: of several that one launcher started, the first.

    Each makes the same file, of which the system lets one be the maker. Not the main process alone:
    where another fails, it waits until the launcher ends it.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or "LOCAL_RANK" not in os.environ:
        return True
    name = f"jointir-{stage}-{os.getppid()}-{os.environ.get('MASTER_PORT', '')}"
    try:
        (Path(tempfile.gettempdir()) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def _print(text: str) -> None:
    """Print to stderr; where nobody reads it, or stdout, let the end of Python write nowhere."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, open until the process ends
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
