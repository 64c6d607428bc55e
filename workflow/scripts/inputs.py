"""The files that a user brings: named one by one, and compared by content."""

import hashlib
import json
import os
from pathlib import Path

from jointir.encode.source import folder_of

CACHE = Path(".snakemake/contents.json")


def beir_files(folder: str) -> list[str]:
    """Return the files of a BEIR folder that the corpus stage may read."""
    names = [f"{name}.jsonl{packed}" for name in ("corpus", "queries") for packed in ("", ".gz")]
    found = [*(Path(folder, name) for name in names), *sorted(Path(folder, "qrels").glob("*.tsv*"))]
    return [str(path) for path in found if path.is_file()]


def vector_files(dataset: dict) -> dict[str, list[str]]:
    """Return the files that the corpus stage reads of a dataset of vectors, by content."""
    found = {kind: [dataset[kind]] for kind in ("docs", "queries")}
    beside = [Path(dataset[kind]).with_suffix(".ids.txt") for kind in ("docs", "queries")]
    found["ids"] = [str(path) for path in beside if path.is_file()]
    qrels = Path(dataset["qrels"]) if "qrels" in dataset else None
    names = [*qrels.glob("*.tsv*"), *qrels.glob("*.trec")] if qrels else []
    found["judged"] = sorted(str(path) for path in names if path.is_file())
    return found


def encoder_files(checkpoint: str) -> list[str]:
    """Return the files of a checkpoint on this machine, hidden ones left out; none of the hub's."""
    folder = folder_of(checkpoint)
    if folder is None:
        return []
    found = []
    for home, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [str(Path(home, name)) for name in files if not _hidden(name)]
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def contents(files: list[str]) -> str:
    """Return one SHA-256 over what is in these files, "" for none.

    Times prove nothing: `cp -p`, `rsync -a` and `tar` put other bytes under an old one. A file is
    read again when its size, its inode or one of its times is new; what was found is kept.
    """
    if not files:
        return ""
    known = _read_cache()
    now = {name: _state(name) for name in files}
    for name, state in now.items():
        if known.get(name, {}).get("state") != state:
            with open(name, "rb") as f:
                known[name] = {
                    "state": state,
                    "sha256": hashlib.file_digest(f, "sha256").hexdigest(),
                }
    _write_cache(known)
    return hashlib.sha256("".join(known[name]["sha256"] for name in files).encode()).hexdigest()


def _state(name: str) -> list[int]:
    found = os.stat(name)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read_cache() -> dict:
    try:
        return json.loads(CACHE.read_text())
    except (OSError, ValueError):
        return {}


def _write_cache(known: dict) -> None:
    scratch = CACHE.with_name(f"{CACHE.name}.{os.getpid()}")
    try:
        CACHE.parent.mkdir(exist_ok=True)
        scratch.write_text(json.dumps(known))
        scratch.replace(CACHE)
    except OSError:  # it only saves time
        scratch.unlink(missing_ok=True)
