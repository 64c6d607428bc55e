"""The part of the `ci` preset that is disturbed: its copies, its command, its hashes."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from conftest import CI, ENV, clone, run
from jointir.basics.files import sha256

DATA = Path("data/apidocs-ci")
OVERLAY = {"figure4": {"systems": ["opq", "jpq"]}, "sweep": {"M": [16]}}
TARGET = "reports/figure4.pdf"
LONGEST = 600  # seconds that a test waits for anything
# what a disturbed run starts from; and what the undisturbed one left
GIVEN = ["source", "collection", "pretrained/model"]
SYSTEMS = ["brute-force", "opq", "jpq"]
MADE = [
    "source",
    "collection",
    "pretrained",
    "fits",
    "star",
    "tune",
    "systems/opq/M16",
    "systems/jpq/M16",
]
MADE += [f"{kind}/{s}" for kind in ("runs", "measures") for s in SYSTEMS]


def every_step(*names: str) -> dict:
    """Return an overlay by which a resume meets a checkpoint of the very last step."""
    return {"systems": {name: {"checkpoint_minutes": 0} for name in names}}


def part(of: Path, to: Path, names: Iterable[str], overlay: dict | None = None) -> Path:
    """Copy sources, records and, of data/, `names`, with their times; smaller systems left out."""
    clone(to)
    shutil.copytree(of / ".snakemake", to / ".snakemake", ignore=shutil.ignore_patterns("log"))
    for name in names:
        (to / DATA / name).parent.mkdir(parents=True, exist_ok=True)
        run("cp", "-a", of / DATA / name, to / DATA / name, cwd=of)
        left_out = [p for p in (to / DATA / name).glob("M*") if p.name != "M16"]
        for folder in left_out:
            shutil.rmtree(folder)
    (to / "faults.yaml").write_text(yaml.safe_dump(OVERLAY | (overlay or {})))
    return to


def command(*targets: str) -> list[str]:
    """Return README.md's command, with the overlays of the part."""
    files = [CI, "faults.yaml"]
    return ["snakemake", "--configfile", *files, "--cores", "2", "--", *(targets or [TARGET])]


def start(folder: Path, *words: str) -> subprocess.Popen:
    """Start a command (the pipeline's unless told otherwise) in a process group of its own.

    What it says goes to a file, told.txt, that a reader never waits for.
    """
    with (folder / "told.txt").open("w") as told:
        return subprocess.Popen(
            words or command(),
            cwd=folder,
            env=ENV,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def told(folder: Path) -> str:
    """Return what the command that was started last has said."""
    return (folder / "told.txt").read_text()


def until(true: Callable[[], object], process: subprocess.Popen, folder: Path) -> None:
    """Wait until `true()`; fail where the process ends first."""
    limit = time.monotonic() + LONGEST
    while not true():
        assert process.poll() is None, told(folder)[-4000:]
        assert time.monotonic() < limit, told(folder)[-4000:]
        time.sleep(0.01)


def kill(process: subprocess.Popen, folder: Path) -> None:
    """Kill the process group with -9, and see that nothing of it lives on."""
    assert process.poll() is None, told(folder)[-4000:]
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    limit = time.monotonic() + LONGEST
    while living(folder):
        assert time.monotonic() < limit, living(folder)
        time.sleep(0.01)


def living(folder: Path) -> list[str]:
    """Return the processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder.resolve():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is another user's
            continue
    return [words for words in found if words]  # a zombie has none


def jobs_left(folder: Path) -> float:
    """Return how many jobs Snakemake has still to end, as it tells; infinitely many before."""
    text = told(folder)
    if done := re.findall(r"^(\d+) of (\d+) steps", text, re.MULTILINE):
        return int(done[-1][1]) - int(done[-1][0])
    total = re.search(r"^total +(\d+)$", text, re.MULTILINE)
    return int(total[1]) if total else float("inf")


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file that the pipeline left in data/ and reports/."""
    files = [p for top in ("data", "reports") for p in (folder / top).rglob("*") if p.is_file()]
    mine = [p for p in files if p.name != ".snakemake_timestamp"]
    return {str(p.relative_to(folder)): sha256(p) for p in sorted(mine)}
