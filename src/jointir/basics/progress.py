"""A progress bar on a terminal; a plain line every few seconds in a log file."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
EVERY_S = 8.0


def say(text: str) -> None:
    """Print a line at once, to the log."""
    print(text, file=sys.stderr, flush=True)


def progress(
    items: Iterable[T], name: str, total: int | None = None, unit: str = "it", start: int = 0
) -> Iterator[T]:
    """Yield `items`; show how many of `total` are done and how fast."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=name, total=total, unit=unit, initial=start)
        return
    total = total if total is not None else len(items)  # type: ignore[arg-type]
    begun = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last > EVERY_S:
            last = now
            say(f"{name}: {start + done}/{total} {unit} ({done / (now - begun):.1f} {unit}/s)")
    say(f"{name}: {start + done}/{total} {unit} in {time.monotonic() - begun:.1f} s")


@contextmanager
def heartbeat(name: str) -> Iterator[None]:
    """Print how long the block has been running every few seconds, for calls that say nothing."""
    done, begun = threading.Event(), time.monotonic()

    def beat() -> None:
        while not done.wait(EVERY_S):
            say(f"{name}: {time.monotonic() - begun:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"{name}: done in {time.monotonic() - begun:.1f} s")
