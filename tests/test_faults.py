"""What ends a stage is told in one line, whoever is to blame, and its exit code is not 0."""

import errno
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import ROOT, run
from jointir import cli, faults
from jointir.basics.errors import InputError

# an error, and how its line begins and ends
TOLD = {
    "input": (
        InputError("a.csv", "a word", "Write a number"),
        ("a.csv: a word", "Write a number"),
    ),
    "loss": (
        FloatingPointError("star: the loss of step 3 is nan"),
        ("star: the loss of step 3 is nan. Choose a lower lr, and check scale", "lengths"),
    ),
    "memory": (
        MemoryError(),
        ("there is not enough memory (no message). Choose a smaller batch", "with more"),
    ),
    "torch's memory": (
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        ("there is not enough memory (DefaultCPUAllocator", "with more"),
    ),
    "module": (
        ModuleNotFoundError("No module named 'faiss'", name="faiss"),
        ("a library cannot be imported (No module named 'faiss'). Install", "its folder"),
    ),
    "pipe": (
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        ("what reads its output has ended. Run it again", "to a file"),
    ),
    "permission": (
        PermissionError(errno.EACCES, "Permission denied", "/x/y"),
        ("/x/y: Permission denied. Correct the path", "again"),
    ),
    "disk": (
        OSError(errno.ENOSPC, "No space left on device"),
        ("No space left on device. Correct", "again"),
    ),
}


def stage_that(monkeypatch, capsys, folder: Path, error: BaseException) -> tuple[int, str]:
    """Return exit code and stderr of a stage, with an option, that raises `error` in `folder`."""

    def stage(number: int) -> None:
        """Fail."""
        raise error

    monkeypatch.chdir(folder)
    monkeypatch.setattr(cli, "_stage", lambda name: stage)
    monkeypatch.setattr(sys, "argv", ["jointir", "embed", "--number", "3"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    assert out == ""
    return caught.value.code, err


@pytest.mark.parametrize("name", TOLD)
def test_what_is_not_jointirs_fault_is_one_line_with_a_remedy(monkeypatch, capsys, tmp_path, name):
    error, (begin, end) = TOLD[name]
    code, err = stage_that(monkeypatch, capsys, tmp_path, error)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"jointir embed: {begin}") and err.endswith(f"{end}\n")
    assert not list(tmp_path.iterdir())


def test_an_interrupt_has_the_shells_code(monkeypatch, capsys, tmp_path):
    code, err = stage_that(monkeypatch, capsys, tmp_path, KeyboardInterrupt())
    assert code == 130
    assert err.startswith("jointir embed: interrupted. Run the same command again")
    assert err.count("\n") == 1


def cause() -> Exception:
    """Return an error with a cause and a text of several lines."""
    try:
        try:
            {}["the key"]
        except KeyError as e:
            raise ValueError("first line.\nsecond line") from e
    except ValueError as e:
        return e


@pytest.mark.parametrize("logs", ["a folder", "a file", "read-only"])
def test_a_fault_of_ours_says_so_and_keeps_its_trace(monkeypatch, capsys, tmp_path, logs):
    folder, other = tmp_path / "work", tmp_path / "tmp"
    folder.mkdir()
    other.mkdir()
    monkeypatch.setattr(faults.tempfile, "gettempdir", lambda: str(other))
    if logs == "a file":
        (folder / "logs").touch()
    if logs == "read-only":
        monkeypatch.setattr(Path, "write_text", refusing(Path.write_text, folder))
    code, err = stage_that(monkeypatch, capsys, folder, cause())
    assert (code, err.count("\n")) == (1, 1)
    began = "jointir embed: this is a fault of jointir, not of your input: ValueError: first line. "
    assert err.startswith(f"{began}Its trace is in ")
    assert err.endswith("Send that file to jointir's maintainers\n")
    kept = Path(re.search(r"trace is in (.*)\. Send", err)[1])
    assert kept.parent == (folder / "logs" if logs == "a folder" else other)
    assert re.fullmatch(r"traceback-embed-\d{8}T\d{6}-\d+\.txt", kept.name)
    text = kept.read_text()
    assert text.startswith("jointir embed --number 3\npython 3.")
    for word in ("\njointir 0.", "\ntorch 2", "\nfaiss-cpu 1", "\nLinux", "KeyError: 'the key'"):
        assert word in text
    assert text.rstrip().endswith("ValueError: first line.\nsecond line")


def refusing(write, folder: Path):
    """Return `write` that is refused inside a folder."""

    def refused(path: Path, *args, **kwargs):
        if folder in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return write(path, *args, **kwargs)

    return refused


def test_where_nothing_can_be_written_the_trace_is_printed(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(faults.tempfile, "gettempdir", lambda: "/proc/none")
    (tmp_path / "logs").touch()
    code, err = stage_that(monkeypatch, capsys, tmp_path, cause())
    assert code == 1
    assert "Traceback" in err and err.splitlines()[-1].startswith("jointir embed: this is a fault")


def test_of_several_processes_one_tells(monkeypatch, capsys, tmp_path):
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_PORT": "123"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(faults.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(cli, "_check_processes", lambda name: None)
    found = [stage_that(monkeypatch, capsys, tmp_path, InputError("a", "b", "C")) for _ in range(3)]
    assert found == [(1, "jointir embed: a: b. C\n"), (1, ""), (1, "")]
    monkeypatch.setenv("MASTER_PORT", "124")  # another launch
    assert stage_that(monkeypatch, capsys, tmp_path, InputError("a", "b", "C"))[1] != ""


def test_an_error_while_a_stage_is_imported_is_told_too(monkeypatch, capsys, tmp_path):
    def missing(name: str):
        raise ModuleNotFoundError("No module named 'bm25s'", name="bm25s")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_stage", missing)
    monkeypatch.setattr(sys, "argv", ["jointir", "rank-bm25"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith(
        "jointir rank-bm25: a library cannot be imported (No mod"
    )


USAGE = {
    "gather --oout x": "No such option: --oout",
    "gather": "Missing option '--shard'",
    "pq --M many --docs a --out b": "Invalid value for '--M'",
    "pq --docs": "Option '--docs' requires an argument",
    "compare": "Missing argument 'a'",
    "pq --docs a --out b --M 3 4": "unexpected extra argument",
}


@pytest.mark.parametrize("words", USAGE)
def test_a_wrong_command_line_is_few_lines_without_a_box(monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["jointir", *words.split()])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    err = capsys.readouterr().err
    assert (caught.value.code, err.isascii()) == (2, True)
    assert USAGE[words] in err and len(err.splitlines()) <= 4


def test_a_closed_pipe_ends_quietly_but_not_well():
    code = textwrap.dedent("""
        import os, sys
        from jointir import cli
        def stage() -> None:
            print("x" * 100_000)
        cli._stage = lambda name: stage
        sys.argv = ["jointir", "embed"]
        cli.main()
    """)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.startswith("jointir embed: what reads its output has ended")
    assert done.stderr.count("\n") == 1


def test_a_stage_that_fails_fails_its_rule(tmp_path):
    """Rules pipe to tee, whose own exit code is 0: Snakemake's bash has pipefail on."""
    jointir = f"{shlex.quote(sys.executable)} -m jointir pq --docs {{input}}"
    (tmp_path / "d.npy").touch()
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: 'd.npy'\n    output: 'i.faiss'\n    log: 'a.log'\n"
        f'    shell: "{jointir} --out {{output}} 2>&1 | tee {{log}}"\n'
    )
    path = f"PYTHONPATH={ROOT / 'src'}"
    text = run("env", path, "snakemake", "--cores", "1", cwd=tmp_path, ok=False)
    assert "NumPy cannot read it" in (tmp_path / "a.log").read_text()
    assert "Error in rule all" in text and not (tmp_path / "i.faiss").exists()
