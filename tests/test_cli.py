"""The command line: every stage answers, bad input is one line, and nothing unsafe is loaded."""

import ast
import importlib
import inspect
import platform
import subprocess
import sys
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, get_origin

import pytest
from typer.testing import CliRunner

from jointir import cli
from jointir.cli import STAGES, stages, with_options
from jointir.methods.known import fitted, libraries, rankers, trained
from jointir.report.known import reports
from tiny import save_collection

SRC = Path(cli.__file__).parent
FILES = sorted(SRC.rglob("*.py"))


def call(monkeypatch, capsys, *words: object) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["jointir", *map(str, words)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    return e.value.code or 0, *capsys.readouterr()


def function(name: str):
    module, attribute = stages()[name].split(":")
    found = getattr(importlib.import_module(module), attribute)
    return found(name) if attribute == "stage" else found


@pytest.mark.parametrize("name", sorted(stages()))
def test_every_stage_has_help_a_docstring_and_named_options(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    code, out, _ = call(monkeypatch, capsys, name, "--help")
    assert code == 0
    called = function(name)
    assert called.__doc__.splitlines()[0] in " ".join(out.split())  # lines may be broken anew
    assert f"Usage: jointir {name} [OPTIONS]" in out
    for parameter in inspect.signature(called, eval_str=True).parameters.values():
        if is_dataclass(parameter.annotation):
            for field in fields(parameter.annotation):
                assert f"--{field.name.replace('_', '-')} " in out
            continue
        positional = get_origin(parameter.annotation) is Annotated  # `compare` has two, for people
        option = f"--{parameter.name.replace('_', '-')} "
        assert (f"  {parameter.name} <" if positional else option) in out
        assert parameter.annotation is not parameter.empty


def test_options_reach_the_stage_by_name_and_type():
    seen = {}

    def stage(path: Path, many: list[Path], M: int, rate: float = 0.5, text: str = "") -> None:
        """Remember."""
        seen.update(locals())

    app = cli.typer.Typer()
    app.command()(with_options(stage, "s"))
    words = ["--many", "b", "--path", "a", "--many", "c", "--M", "3"]
    app(words, standalone_mode=False)
    seen.pop("seen", None)
    expected = {"path": Path("a"), "many": [Path("b"), Path("c")], "M": 3}
    assert seen == expected | {"rate": 0.5, "text": ""}


@dataclass(frozen=True)
class Sampled:
    """Settings of a sample."""

    size: Annotated[int, "documents of it"]
    out_list: Annotated[Path | None, "a file that gets them"] = None
    seed: int = 0


def told(stage, *words: str) -> str:
    """Return what a stage says of its options, its lines joined."""
    app = cli.typer.Typer(rich_markup_mode=None)
    app.command()(with_options(stage, "s"))
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    return " ".join(done.stdout.split())


def test_a_dataclass_is_an_option_for_each_of_its_fields():
    seen = {}

    def stage(rate: float, sampled: Sampled = Sampled(5, seed=7), last: int = 1) -> None:
        """Remember."""
        seen.update(rate=rate, sampled=sampled, last=last)

    app = cli.typer.Typer()
    app.command()(with_options(stage, "s"))
    app(["--rate", "1"], standalone_mode=False)
    assert seen == {"rate": 1.0, "sampled": Sampled(5, None, 7), "last": 1}
    words = ["--last", "2", "--size", "3", "--out-list", "a.txt", "--rate", "1"]
    app(words, standalone_mode=False)
    assert seen == {"rate": 1.0, "sampled": Sampled(3, Path("a.txt"), 7), "last": 2}
    text = told(stage)
    assert "documents of it" in text and "a file that gets them" in text
    assert "--sampled" not in text


def test_without_a_default_of_its_own_a_dataclass_has_that_of_its_fields():
    seen = []

    def stage(sampled: Sampled) -> None:
        """Remember."""
        seen.append(sampled)

    app = cli.typer.Typer()
    app.command()(with_options(stage, "s"))
    app(["--size", "3"], standalone_mode=False)
    assert seen == [Sampled(3)]
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2 and "--size" in done.output


DEV = {"out_curve", "dev_measures", "validate_every", "patience", "dev_queries"}
SAMPLE = DEV | {"dev_documents"}
MEASURED = dict.fromkeys(("star", "dual", "simcse", "colbert", "tct-colbert"), SAMPLE)
MEASURED |= {"adore": DEV, "seal": DEV, "jpq": DEV, "dpq": DEV, "distill": DEV}
MEASURED |= {"asi": DEV, "train-decoder": DEV, "genret": set(), "novo": set()}


@pytest.mark.parametrize("name", MEASURED)
def test_a_training_has_the_options_of_dev_that_it_needs(name):
    options = inspect.signature(with_options(function(name), name)).parameters
    assert {option for option in options if option in SAMPLE} == MEASURED[name]
    if "dev_measures" in options:
        (found,) = options["dev_measures"].default
        assert found == ("R@10" if name == "distill" else "RR@10")  # distill has no label


def test_bad_input_is_one_line_and_exit_code_1(tmp_path):
    save_collection(tmp_path / "c")
    words = ["--collection", tmp_path / "c", "--encoder", tmp_path, "--kind", "document"]
    done = subprocess.run(
        [sys.executable, "-m", "jointir", "embed", *words, "--out", tmp_path / "d.npy"],
        capture_output=True,
        text=True,
        check=False,
    )
    expected = (
        f"jointir embed: {tmp_path}: holds no jointir.json. Make it with `jointir checkpoint`\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_a_missing_checkpoint_is_one_line(monkeypatch, capsys, tmp_path):
    words = ["--checkpoint", "/no/such", "--out", tmp_path / "e"]
    lengths = ["--query-max-length", 5, "--document-max-length", 5]
    code, _, err = call(monkeypatch, capsys, "checkpoint", *words, *lengths)
    assert code == 1
    lines = [x for x in err.splitlines() if x.startswith("jointir")]
    assert len(lines) == 1
    assert err.endswith(lines[0] + "\n")
    told = "jointir checkpoint: encoder.checkpoint: there is no folder '/no/such'. "
    assert lines[0] == f"{told}Correct the path, or name a hub id or package:MODULE/FOLDER"
    assert "Traceback" not in err


def test_an_unknown_stage_or_option_is_exit_code_2(monkeypatch, capsys):
    code, out, err = call(monkeypatch, capsys, "jqp", "--help")
    assert (code, out) == (2, "")
    assert err.startswith("jointir: no stage 'jqp'\nusage: jointir STAGE")
    assert all(name in err for name in stages())
    assert call(monkeypatch, capsys, "gather", "--oout", "x")[0] == 2
    assert call(monkeypatch, capsys, "gather")[0] == 2
    assert call(monkeypatch, capsys, "pq", "--M", "many")[0] == 2


def test_help_lists_every_stage(monkeypatch, capsys):
    for words in ([], ["--help"], ["-h"]):
        code, out, err = call(monkeypatch, capsys, *words)
        assert (code, err) == (0, "")
        figures = [own.command for own in reports().values()]
        assert out.split("stages: ")[1].split() == [
            *STAGES,
            *fitted(),
            *libraries(),
            *trained(),
            *(f"rank-{method}" for method in rankers()),
            *figures,
        ]


def test_idle_threads_do_not_spin_and_torch_is_not_loaded_for_help():
    code = (
        "import os, sys, jointir.cli; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={})
    assert done.stdout.split() == ["PASSIVE", "False"]


def names(tree: ast.AST) -> set[str]:
    """Return modules that a source imports and dotted names that it calls."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Call):
            found.add(ast.unparse(node.func))
    return found


UNSAFE = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "pickle.load", "pickle.loads"}
UNSAFE |= {"torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "eval", "exec", "os.system"}


def test_the_check_for_unsafe_loading_sees_it():
    source = "import pickle\nfrom torch import load\ndef f(): return yaml.load(x), np.load(x)"
    assert names(ast.parse(source)) & UNSAFE == {"pickle", "torch.load", "yaml.load"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_nothing_unsafe_is_loaded(path):
    tree = ast.parse(path.read_text())
    assert not names(tree) & UNSAFE
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            assert node.arg not in ("allow_pickle", "trust_remote_code", "shell")
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None


FILL_AGAIN = """
from resource import RUSAGE_SELF, getrusage
import numpy as np
from jointir.cli import _keep_freed_memory
_keep_freed_memory()
def fill():
    held = [np.ones(5_000_000, "f4") for _ in range(3)]
fill()
before = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_memory_that_is_freed_is_used_again_without_the_kernel():
    done = subprocess.run([sys.executable, "-c", FILL_AGAIN], check=True, capture_output=True)
    assert int(done.stdout) < 1000  # page faults; three arrays have 15,000 pages
