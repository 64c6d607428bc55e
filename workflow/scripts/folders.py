"""Folders in place of files: what DVC tracks and depends on, so that a person can read dvc.yaml."""

from collections.abc import Iterable
from pathlib import Path

DATASET = 3  # parts of the highest folder that can be an out: data/DATASET/kind
PACKAGES = Path("src/jointir")


def above(path: str) -> list[str]:
    """Return the folders that can be an out and that `path` is in, the highest first."""
    parts = Path(path).parts
    return ["/".join(parts[:n]) for n in range(DATASET, len(parts)) if parts[0] == "data"]


def cover(own: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the highest folders that hold all of `own` and none of `others`; a file without one.

    Both are files and folders. A dataset's own folder is none of them: scratch lies there, too.
    """
    taken = {folder for path in others for folder in above(path)}
    return sorted({next((f for f in above(path) if f not in taken), path) for path in own})


def package(path: str) -> str:
    """Return the package folder that a source file is in; other paths, and lone modules, as is."""
    parts = Path(path).parts
    n = len(PACKAGES.parts)
    return "/".join(parts[: n + 1]) if parts[:n] == PACKAGES.parts else path


def holder(path: str, outs: set[str]) -> str:
    """Return which of `outs` a path is or is in, or the path itself."""
    return next((folder for folder in (path, *above(path)) if folder in outs), path)
