"""Every stage that touches all N documents, on a synthetic corpus: its time and peak memory.

python benchmarks/corpus_scale.py --n 1000000 --folder DIR: D = 768, M = 96 bytes a document, each
stage the real command in a process of its own. Embeddings are made up, the encoder's time is that
of a few batches. Not a comparison of two ways; on a busy machine `cpu` says more than `wall`.

peak: VmHWM, all that was resident at once. Pages of a memory-mapped matrix count in it, though the
kernel takes them back when memory is short, so a machine with free memory shows many. own: the most
anonymous memory (RssAnon, sampled 50 times a second), what a stage cannot run without. beyond: own,
less the codes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jointir.measure.machine import processor

HERE = Path(__file__).parent
M, K = 96, 100  # bytes a document; results a query
SHARDS = 8
EMBEDDED = (64, 256)  # documents of a shard: the difference is the encoder's own time
JPQ = {"batch": 32, "negatives": 200, "lr": 5e-6, "centroid-lr": 1e-4, "warmup": 2}
JPQ |= {"lambda-cut": 200, "scale": 1, "seed": 1}


@dataclass(frozen=True)
class Stage:
    """A command; `codes`: bytes a document of the index that it holds."""

    name: str
    command: list[str]
    codes: int = 0


def command(stage: str, **options: object) -> list[str]:
    """Return the command line of a stage; a list gives an option several times."""
    line = [sys.executable, "-m", "jointir", stage]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            line += [f"--{name.replace('_', '-')}", str(one)]
    return line


def make(what: str, out: Path, **options: int) -> list[str]:
    """Return the command line that makes a synthetic input."""
    more = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [sys.executable, str(HERE / "synthetic.py"), what, str(out), *more]


def stages(d: Path, o: argparse.Namespace) -> Iterator[Stage]:
    """Yield what is run, in order, in the folder `d`; names in brackets make inputs."""
    collection, encoder, docs = d / "collection", d / "encoder", d / "docs.npy"
    shard, queries, opq = d / "shard.npy", d / "queries.npy", d / "opq.faiss"
    trained, runs = d / "jpq.faiss", d / "runs"
    yield Stage("[encoder]", make("encoder", encoder, layers=o.layers))
    made = make("collection", collection, n=o.n, train=o.train, dev=o.queries)
    yield Stage("corpus (validate, write, hash)", made)
    source = {"collection": collection, "encoder": encoder}
    some = source | {"out": d / "some.npy", "kind": "document", "batch_tokens": 16384}
    for size in EMBEDDED:
        line = command("embed", **some, shards=max(1, o.n // size))
        yield Stage(f"embed (a shard of {size})", line)
    # the same shard several times, so that shards and matrix do not both take all their space
    yield Stage("[shard]", make("documents", shard, n=o.n // SHARDS))
    yield Stage("gather", command("gather", shard=[shard] * SHARDS, out=docs))
    yield Stage("[documents]", make("documents", docs, n=o.n))
    yield Stage("[queries]", make("queries", queries, n=o.queries))
    fit = {"M": M, "sample": o.sample, "iterations": o.iterations}
    yield Stage("build opq", command("build", system="opq", docs=docs, out=opq, **fit), M)
    if not o.no_flat:
        flat = {"system": "brute-force", "docs": docs, "out": d / "flat.faiss"}
        yield Stage("build brute-force", command("build", **flat), 4 * 768)
    written = {"out_index": trained, "out_encoder": d / "query_encoder", "scratch": d / "scratch"}
    training = source | {"index": opq} | written | JPQ
    yield Stage(f"jpq ({o.steps} steps)", command("jpq", **training, steps=o.steps), M)
    yield Stage("ivf", command("ivf", index=trained, out=d / "ivf.faiss", nlist=256), M + 8)
    run, meta = runs / "dev.trec.gz", runs / "meta.json"
    named = {"dataset": "synthetic", "system": "jpq", "setting": "M=96", "threads": o.threads}
    asked = {"collection": collection, "index": trained, "queries": queries, "out": run, "k": K}
    yield Stage(
        f"retrieve ({o.queries} queries)", command("retrieve", **asked, **named, meta=meta), M
    )
    judged = {"run": run, "qrels": collection / "qrels/dev.trec", "out": runs / "dev.parquet"}
    yield Stage("measure", command("measure", **judged, measures=["RR@10", "R@100"]))


def memory(pid: int) -> dict[str, int]:
    """Return the bytes of each kind of resident memory of a process, none when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.startswith(("VmHWM", "RssAnon")))
    return {name.rstrip(":"): 1024 * int(kilobytes) for name, kilobytes, _ in fields}


def watched(line: list[str], log: Path, threads: int) -> tuple[float, float, int, int]:
    """Run a command; return its seconds by the wall and of CPU, peak and own bytes.

    Raises:
        SystemExit: it failed.
    """
    own = peak = 0
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    begun = time.monotonic()
    with log.open("w") as f:
        job = subprocess.Popen(line, stdout=f, stderr=subprocess.STDOUT, env=env)
    while (ended := os.wait4(job.pid, os.WNOHANG))[0] == 0:
        now = memory(job.pid)
        peak, own = max(peak, now.get("VmHWM", 0)), max(own, now.get("RssAnon", 0))
        time.sleep(0.02)
    if ended[1]:
        sys.exit(f"{' '.join(line)} failed:\n{log.read_text()[-2000:]}")
    return time.monotonic() - begun, ended[2].ru_utime + ended[2].ru_stime, peak, own


def main() -> None:
    """Run every stage, print a row of the table when it has ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="documents")
    parser.add_argument("--folder", type=Path, required=True, help="for 1.9 kB a document")
    parser.add_argument("--queries", type=int, default=2000, help="that are searched")
    parser.add_argument("--train", type=int, default=500_000, help="training queries of JPQ")
    parser.add_argument("--steps", type=int, default=5, help="of JPQ")
    parser.add_argument("--sample", type=int, default=200_000, help="documents that OPQ is fit on")
    parser.add_argument("--iterations", type=int, default=2, help="of OPQ")
    parser.add_argument("--layers", type=int, default=12, help="of the encoder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-flat", action="store_true", help="leave out the brute-force index")
    parser.add_argument("--keep", action="store_true", help="leave the folder, use what is in it")
    parser.add_argument("--only", default="", help="stages whose name begins with this")
    o = parser.parse_args()
    logs = o.folder / "logs"
    logs.mkdir(parents=True, exist_ok=o.keep)
    (o.folder / "runs").mkdir(exist_ok=True)
    model, flags = processor()
    load = f"{o.threads} threads, load {os.getloadavg()[0]:.1f}"
    print(f"{o.n} documents, D=768, M={M}; {model} ({' '.join(flags)}), {load}")
    print(f"{'stage':32} {'wall s':>8} {'cpu s':>8} {'peak GB':>8} {'own GB':>7} {'beyond':>7}")
    for stage in stages(o.folder, o):
        if not stage.name.startswith(o.only):
            continue
        log = logs / f"{stage.name.split(' (')[0]}.log"
        wall, cpu, peak, own = watched(stage.command, log, o.threads)
        beyond = own - o.n * stage.codes
        sizes = f"{peak / 1e9:8.2f} {own / 1e9:7.2f} {beyond / 1e9:7.2f}"
        print(f"{stage.name:32} {wall:8.1f} {cpu:8.1f} {sizes}", flush=True)
    if not o.keep:
        shutil.rmtree(o.folder)


if __name__ == "__main__":
    main()
