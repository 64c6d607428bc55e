"""The machine that times were taken on, without which they say little."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jointir.basics.files import write_json
from jointir.basics.processor import facts, flags

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
PACKAGES = ("faiss-cpu", "numpy", "torch", "annoy", "falconn", "pyflann-py3", "scann")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def cores() -> int:
    """Return the cores that this process may use: under a scheduler, not all of the machine's."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(info: str | None = None) -> tuple[str, list[str]]:
    """Return the CPU's model and those of FLAGS that it has.

    info: the text of /proc/cpuinfo, which only Linux has; this machine's unless given.
    """
    model, has = facts(info).get("model name", platform.processor()), flags(info)
    return model, [f for f in FLAGS if f in has]


def versions() -> dict[str, str]:
    """Return the versions of Python and of those of PACKAGES that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the optional ones
            continue
    return found


def gpu() -> str | None:
    """Return the name of the GPU that encoders use, None without one."""
    import torch  # seconds, and a figure of these times needs only their table

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


@contextmanager
def described(out: Path, threads: int) -> Iterator[None]:
    """Write what this machine is as JSON when the block has ended well.

    cpu, flags, cores (that may be used), threads (the most that were timed), load_start and
    load_end (averages of 1, 5 and 15 minutes), governor (null where it cannot be read), versions,
    gpu (null without one).
    """
    load_start = os.getloadavg()
    yield
    model, flags = processor()
    facts = {"cpu": model, "flags": flags, "cores": cores(), "threads": threads}
    facts |= {"load_start": load_start, "load_end": os.getloadavg()}
    facts["governor"] = GOVERNOR.read_text().strip() if GOVERNOR.exists() else None
    write_json(out, facts | {"versions": versions(), "gpu": gpu()})
