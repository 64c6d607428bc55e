"""Damage that no file's time tells of: bytes that changed, or were lost, under an old time."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dvc.fs import localfs
from dvc.repo import Repo


def files_of(path: Path) -> list[Path]:
    """Return the file, or those in the folder, or none."""
    if path.is_dir():
        return sorted(f for f in path.rglob("*") if f.is_file())
    return [path] if path.is_file() else []


def md5(path: Path) -> str:
    """Return DVC's hash of a file, of its bytes as they are now."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "md5").hexdigest()


def changed_files(paths: Iterable[str]) -> list[Path]:
    """Return the files, of `paths` or in them, that are no longer what DVC hashed.

    DVC reads a file again only when its time, size or inode is new, and Snakemake only looks at
    times: a flipped byte on a bad disk passes for good with both. Files that DVC does not know, or
    whose time or size is new, are not looked at here: DVC hashes them itself.
    """
    with Repo() as repo:
        files = [file for path in paths for file in files_of(Path(path))]
        known = {file: repo.state.get(str(file.absolute()), localfs)[1] for file in files}
    return [file for file, own in known.items() if own is not None and own.value != md5(file)]


def damaged(paths: Iterable[str]) -> list[str]:
    """Return those of `paths`, files or folders, that hold one of `changed_files`."""
    paths = list(paths)
    changed = set(changed_files(paths))
    return [path for path in paths if changed.intersection(files_of(Path(path)))]


def cut_short(stage: str, outputs: Iterable[str]) -> list[str]:
    """Return those of a stage's outputs that changed under an old time, read anew by DVC or not.

    What they were is in this machine's cache (tables: in git) and in a dvc.lock that is newer than
    they are, and all that they are made of is as it was. Newer files are new results, and a lock
    that came with another machine's results says nothing of ours: neither is damage.
    """
    with Repo() as repo:
        (found,) = repo.stage.collect(stage)
        if found.cmd_changed or any(dep.workspace_status() for dep in found.deps):
            return []  # no wonder that they differ
        locked: dict[Path, str] = {}
        for out in found.outs:
            if "modified" in out.workspace_status().values():
                locked |= hashes(out, repo)
        return [path for path in outputs if differs(Path(path), locked, repo)]


def hashes(out, repo: Repo) -> dict[Path, str]:
    """Return {file: its hash in dvc.lock} of an out of DVC; none where the cache is another's."""
    if not out.use_cache:
        return {Path(out.def_path): out.hash_info.value}
    if not repo.cache.local.exists(out.hash_info.value):
        return {}
    tree = out.get_obj()
    if not out.hash_info.isdir:
        return {Path(out.def_path): out.hash_info.value}
    return {Path(out.def_path, *key): own.value for key, _, own in tree}


def differs(path: Path, locked: dict[Path, str], repo: Repo) -> bool:
    """Return whether an output, older than dvc.lock, is not what that says."""
    files = files_of(path)
    was = {file: own for file, own in locked.items() if path == file or path in file.parents}
    limit = Path("dvc.lock").stat().st_mtime if was else 0
    if not was or not files or any(f.stat().st_mtime >= limit for f in files):
        return False
    return any(now(file, repo) != own for file, own in was.items())


def now(file: Path, repo: Repo) -> str:
    """Return the hash of a file, "" of none; what DVC knows of it is not read again."""
    if not file.is_file():
        return ""
    known = repo.state.get(str(file.absolute()), localfs)[1]
    return md5(file) if known is None else known.value
