"""A download that is interrupted, cut short, or stalls: never a part of it under its own name."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ENV, run
from faults.part import DATA, command, hashes, kill, part, start, until

SOURCE = DATA / "source"


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder of wheels as pip wants it; of the largest, when told so, only a half.

    fault: "closes" (the connection, after the half), "stalls" (after it), or none.
    """

    daemon_threads = True

    def __init__(self, wheels: Path, fault: str = ""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheels = {p.name: p.read_bytes() for p in wheels.glob("*.whl")}
        self.largest = max(self.wheels, key=lambda name: len(self.wheels[name]))
        self.fault, self.halved, self.ended = fault, threading.Event(), threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the list of wheels, or one of them."""

    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        links = "".join(f'<a href="/{n}">{n}</a>\n' for n in self.server.wheels)
        whole = self.server.wheels.get(name, f"<!DOCTYPE html><html>{links}</html>".encode())
        self.send_response(200)
        self.send_header("Content-Type", "application/zip" if name else "text/html")
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        if name != self.server.largest or not self.server.fault:
            self.wfile.write(whole)
            return
        self.wfile.write(whole[: len(whole) // 2])
        self.wfile.flush()
        self.server.halved.set()
        if self.server.fault == "stalls":
            self.server.ended.wait()


@contextmanager
def served(wheels: Path, monkeypatch: pytest.MonkeyPatch, fault: str = "") -> Iterator[Server]:
    """Serve the wheels, and let pip find them there and nowhere else."""
    server = Server(wheels, fault)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    only_from(f"http://127.0.0.1:{server.server_port}/", monkeypatch)
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def only_from(links: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find wheels at `links` alone."""
    settings = {"FIND_LINKS": links, "NO_INDEX": "1", "NO_CACHE_DIR": "1", "RETRIES": "0"}
    for name, value in settings.items():
        monkeypatch.setitem(ENV, f"PIP_{name}", value)


def works(folder: Path, faultless: Path, expected: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the same command ends well once the server does."""
    with served(faultless / SOURCE, monkeypatch):
        run(*command(str(SOURCE)), cwd=folder)
    assert hashes(folder) == {k: v for k, v in expected.items() if k.startswith(f"{SOURCE}/")}


@pytest.mark.slow
def test_a_connection_that_is_closed(faultless, expected, tmp_path, monkeypatch):
    folder = part(faultless, tmp_path / "run", [])
    with served(faultless / SOURCE, monkeypatch, "closes"):
        text = run(*command(str(SOURCE)), cwd=folder, ok=False)
    assert "pip download exited with" in text and "check the network" in text
    assert hashes(folder) == {}
    works(folder, faultless, expected, monkeypatch)


def test_killed_in_the_middle_of_a_file(faultless, expected, tmp_path, monkeypatch):
    folder = part(faultless, tmp_path / "run", [])
    with served(faultless / SOURCE, monkeypatch, "stalls") as server:
        process = start(folder, *command(str(SOURCE)))
        until(server.halved.is_set, process, folder)
        kill(process, folder)
    assert not (folder / SOURCE).exists()
    works(folder, faultless, expected, monkeypatch)  # what the kill left is gone, too


@pytest.mark.slow
def test_a_wheel_of_the_mirror_that_is_cut_short(faultless, expected, tmp_path, monkeypatch):
    folder = part(faultless, tmp_path / "run", [])
    mirror = tmp_path / "mirror"
    run("cp", "-a", faultless / SOURCE, mirror, cwd=tmp_path)
    cut = max(mirror.glob("*.whl"), key=lambda p: p.stat().st_size)
    cut.write_bytes(cut.read_bytes()[:-1])
    monkeypatch.setitem(ENV, "PIP_NO_INDEX", "1")
    monkeypatch.setitem(ENV, "JOINTIR_MIRROR", str(mirror))
    text = run(*command(str(SOURCE)), cwd=folder, ok=False)
    assert "pip download exited with" in text and cut.name.split("-")[0] in text
    assert hashes(folder) == {}
    monkeypatch.delitem(ENV, "JOINTIR_MIRROR")
    works(folder, faultless, expected, monkeypatch)
