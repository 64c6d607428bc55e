"""Pinned downloads: wheels, fetched by pip and checked against their hashes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, sha256
from jointir.basics.progress import progress, say
from jointir.data.store import numbered_lines

# Any machine asks for the same files, whatever it runs on.
PLATFORMS = ("any", "manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
TARGET = ("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--abi", "abi3")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ]+) --hash=sha256:([0-9a-f]{64})$")


@dataclass(frozen=True)
class Pin:
    """One line `name==version --hash=sha256:...` of a requirements file."""

    name: str
    version: str
    sha256: str


def read_pins(requirements: Path) -> list[Pin]:
    """Read a requirements file in which every line is pinned to one hash.

    Raises:
        InputError: there is no such file, or a line is not of that form.
    """
    pins = []
    for where, line in numbered_lines(requirements):
        if not line.startswith("#"):
            match = PIN.match(line.strip())
            if match is None:
                remedy = "Write 'name==version --hash=sha256:...', one hash a line"
                raise InputError(where, f"{line[:200]!r} is not a pin", remedy)
            pins.append(Pin(*match.groups()))
    return pins


def _fetch(requirements: Path, into: Path) -> None:
    platforms = [a for p in PLATFORMS for a in ("--platform", p)]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += [*TARGET, "--abi", "none", *platforms, "--require-hashes", "--progress-bar", "off"]
    if mirror := os.environ.get("JOINTIR_MIRROR"):  # a folder, for machines without internet
        command += ["--find-links", mirror]
    done = subprocess.run(
        [*command, "-r", str(requirements), "-d", str(into)], stdout=sys.stderr, check=False
    )
    if done.returncode:
        remedy = (
            "See pip's message above; check the network, or name a local index in pip's settings"
        )
        raise InputError(requirements, f"pip download exited with {done.returncode}", remedy)


def _check(wheels: Path, pins: list[Pin], requirements: Path) -> Iterator[Path]:
    by_hash = {sha256(p): p for p in sorted(wheels.glob("*.whl"))}
    for pin in progress(pins, "check", unit="wheels"):
        if pin.sha256 not in by_hash:
            found = f"{pin.name}=={pin.version} came with another hash than {pin.sha256[:12]}..."
            raise InputError(requirements, found, "Delete the download folder and try again")
        yield by_hash[pin.sha256]


def download_wheels(requirements: Path, out: Path) -> None:
    """Download the wheels that `requirements` pins into the folder `out` and check every hash.

    Raises:
        InputError: a malformed pin, a failed download, or a file with another hash.
    """
    pins = read_pins(requirements)
    with atomic(out) as scratch:
        scratch.mkdir()
        _fetch(requirements, scratch)
        kept = set(_check(scratch, pins, requirements))
        for extra in set(scratch.iterdir()) - kept:
            shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    say(f"{len(kept)} wheels in {out}, every hash as pinned")
