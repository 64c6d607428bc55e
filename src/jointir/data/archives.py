"""Pinned zip archives: from the mirror or the network, unpacked safely, checked by content."""

import os
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, sha256
from jointir.basics.progress import say
from jointir.basics.readers import ZIP_ERRORS
from jointir.data.store import numbered_lines

LARGEST = 2**32  # bytes unpacked: a bomb is refused before it fills the disk
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """One line `name url sha256` of a sources file; the hash is of what the archive holds."""

    name: str
    url: str
    sha256: str


def read_archives(sources: Path) -> list[Archive]:
    """Read a sources file, one archive a line: file name, https address, SHA-256 of its content.

    Raises:
        InputError: there is no such file, or a line is not of that form.
    """
    archives = []
    for where, line in numbered_lines(sources):
        if not line.startswith("#"):
            fields = line.split()
            if len(fields) != 3 or "/" in fields[0] or not fields[1].startswith("https://"):
                remedy = "Write a file name, an https address and a SHA-256 on each line"
                raise InputError(where, f"{line[:80]!r} is no archive", remedy)
            archives.append(Archive(*fields))
    return archives


def _fetch(archive: Archive, scratch: Path) -> Path:
    """Return the archive's path: in the mirror, or downloaded into scratch."""
    if mirror := os.environ.get("JOINTIR_MIRROR"):
        kept = Path(mirror) / archive.name
        if kept.is_file():
            return kept
    say(f"downloading {archive.url}")
    path = scratch / archive.name
    try:
        with urllib.request.urlopen(archive.url, timeout=TIMEOUT) as answer, path.open("wb") as f:
            shutil.copyfileobj(answer, f)
    except (urllib.error.URLError, OSError) as e:
        remedy = (
            f"Check the network, or put {archive.name} into a folder and name it JOINTIR_MIRROR"
        )
        raise InputError(archive.url, f"the download failed ({e})", remedy) from e
    return path


def unpack(path: Path, out: Path) -> None:
    """Unpack a zip archive into the folder `out`.

    Raises:
        InputError: it is not a zip archive, is damaged, or a member is a link, leads out of the
            folder, or takes the whole over LARGEST bytes. Nothing of it is written then.
    """
    remedy = "Do not use this file; download it again from its publisher"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise InputError(path, f"{member.filename!r} leads out of the folder", remedy)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise InputError(path, f"{member.filename!r} is a link", remedy)
            if (size := sum(m.file_size for m in members)) > LARGEST:
                raise InputError(path, f"it unpacks to {size} bytes, over {LARGEST}", remedy)
            archive.extractall(out, members)
    except InputError:
        raise
    except ZIP_ERRORS as e:
        raise InputError(path, f"not a readable zip archive ({e})", remedy) from e


def download_archives(sources: Path, out: Path) -> None:
    """Get the archives that `sources` pins, unpack each into a folder of its own name in `out`.

    Each is looked for in the folder JOINTIR_MIRROR first. The hash is of the names and bytes of its
    files, for hosts pack the same commit differently from year to year.

    Raises:
        InputError: a malformed line, a failed download, an unsafe archive, another content.
    """
    archives = read_archives(sources)
    with atomic(out) as scratch:
        scratch.mkdir()
        for archive in archives:
            folder = scratch / Path(archive.name).stem
            path = _fetch(archive, scratch)
            unpack(path, folder)
            if (found := sha256(folder)) != archive.sha256:
                remedy = f"Get the pinned version, or pin {found} in {sources}"
                raise InputError(path, f"its content hashes to {found}", remedy)
            if path.parent == scratch:
                path.unlink()
    say(f"{len(archives)} archives in {out}, contents as pinned")
