"""The processor, as Linux tells about it."""

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def facts(info: str | None = None) -> dict[str, str]:
    """Return what is told of the last core ("model name", "flags"), nothing on other systems.

    info: the text of /proc/cpuinfo; this machine's unless given.
    """
    if info is None:
        info = CPU_INFO.read_text() if CPU_INFO.exists() else ""
    lines = (line.split(":", 1) for line in info.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in lines}


def flags(info: str | None = None) -> set[str]:
    """Return the names of the instructions that it has, "avx2" for instance."""
    return set(facts(info).get("flags", "").split())
