"""The whole pipeline from a fresh clone: wall time, peak memory, longest silence, slowest stages.

python benchmarks/pipeline.py [--preset ci] [--keep DIR]: clones this repository's HEAD, runs the
README's main command in the clone with nothing installed, and prints a table.
"""

import argparse
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


class Watch(threading.Thread):
    """Samples a process tree once a second: its resident memory, and when it last printed."""

    def __init__(self, process: psutil.Process, printed: Path):
        super().__init__(daemon=True)
        self.process, self.printed, self.peak_mb, self.silence_s = process, printed, 0.0, 0.0

    def run(self) -> None:
        """Sample until the process is gone."""
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for p in [self.process, *self.process.children(recursive=True)]:
                try:
                    total += p.memory_full_info().pss  # pages shared by processes count once
                except psutil.Error:
                    continue  # ended between listing and asking
            self.peak_mb = max(self.peak_mb, total / 2**20)
            self.silence_s = max(self.silence_s, time.time() - self.printed.stat().st_mtime)
            time.sleep(1)


def slowest(clone: Path, most: int = 12) -> list[tuple[float, str]]:
    """Return (seconds, job) of the slowest jobs, from Snakemake's benchmark files."""
    rows = []
    for path in (clone / "logs").rglob("*.tsv"):
        seconds = float(path.read_text().splitlines()[1].split("\t")[0])
        rows.append((seconds, str(path.relative_to(clone / "logs").with_suffix(""))))
    return sorted(rows, reverse=True)[:most]


def main() -> None:
    """Clone, run, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="an overlay of params/presets/, without .yaml")
    parser.add_argument("--keep", type=Path, help="clone into this new folder and leave it")
    args = parser.parse_args()
    clone = args.keep or Path(tempfile.mkdtemp()) / "fresh"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    command = ["./run", "snakemake", "--cores", "all", "reports/figure4.pdf"]
    if args.preset:
        command += ["--configfile", f"params/presets/{args.preset}.yaml"]
    printed = clone.parent / f"{clone.name}.log"
    begun = time.monotonic()
    with printed.open("w") as log:
        job = subprocess.Popen(command, cwd=clone, stdout=log, stderr=subprocess.STDOUT)
        watch = Watch(psutil.Process(job.pid), printed)
        watch.start()
        code = job.wait()
    print(f"command    {' '.join(command)} (exit code {code}, log {printed})")
    print(f"wall       {(time.monotonic() - begun) / 60:.1f} min, set-up included")
    print(f"peak       {watch.peak_mb:.0f} MB over all processes")
    print(f"silence    {watch.silence_s:.0f} s at most between two lines")
    for seconds, name in slowest(clone):
        print(f"{seconds:8.1f} s {name}")


if __name__ == "__main__":
    main()
