"""What lies in the folders that DVC tracks and no job makes: put aside, and brought back."""

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

ASIDE = Path("data/.aside")
# the name of what a killed job left: jointir.basics.files
HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{8}")
IGNORED = {".snakemake_timestamp"}  # see .dvcignore


def strangers(folder: Path, known: set[str]) -> list[Path]:
    """Return the highest files and folders of `folder` that are none of `known`, nor hold one.

    A folder without a file is none: DVC does not see it.
    """
    if str(folder) in known or not folder.is_dir():
        return []
    homes = {str(home) for path in known for home in Path(path).parents}
    found = []
    for path in sorted(folder.iterdir()):
        if str(path) in homes and path.is_dir():
            found += strangers(path, known)
        elif str(path) not in known and path.name not in IGNORED and _holds(path):
            found.append(path)
    return found


def _holds(path: Path) -> bool:
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return any(p.is_symlink() or not p.is_dir() for p in inside)


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_aside(folders: Iterable[str], known: set[str]) -> None:
    """Move what no job makes out of the folders that DVC tracks: it would record it as results.

    Of the params of today, that is: an index of a size that was taken out of the sweep, say. It may
    have cost hours. What a killed job left half-written is deleted.
    """
    for folder in folders:
        for path in strangers(Path(folder), known):
            if HALF_WRITTEN.fullmatch(path.name):
                delete(path)
                continue
            delete(ASIDE / path)
            (ASIDE / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, ASIDE / path)
            told = f"moved aside, for no job of these params makes it: {path} -> {ASIDE / path}"
            print(told, file=sys.stderr)


def bring_back(outputs: Iterable[str]) -> None:
    """Move back what was put aside and is made by a job again, with the time that it had."""
    for path in map(Path, sorted(outputs)):
        aside = ASIDE / path
        if aside.exists() and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(aside, path)
            print(f"brought back: {aside} -> {path}", file=sys.stderr)
