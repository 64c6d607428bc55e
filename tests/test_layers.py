"""Imports go one way: a room of the package takes from those below it, and no module in a circle.

LAYERS are the rooms from the lowest to the highest; those on one line are peers, whose modules may
import one another as long as none is a circle. The methods (joint, retrievers, generative) are such
peers: ADORE is JPQ's training without an index, and takes its loss from there.

An import counts wherever it stands: within a function, and as a module's name in a string, by which
the command line and the registry of search load what they need late. Under `if TYPE_CHECKING:` it
is never run, so that it makes no circle: `encode.fit` names in an annotation the class that calls
it. It has to go downwards all the same, for who reads the lower module has to know the upper one.

`train` of a method's file is a stage, and `searcher` is called by the registry of search alone:
what they import counts as the command line's, like the stages that are named there.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT

LAYERS = [
    ("__init__",),
    ("basics",),
    ("data",),
    ("encode",),
    ("quantize",),
    ("methods",),
    ("train",),
    ("search",),
    ("joint", "retrievers", "generative", "expand"),
    ("measure",),
    ("report",),
    ("cli", "faults", "__main__"),
]
LATE = ("train", "searcher")  # functions of a method's module that run what is above it
NAMED = re.compile(r"jointir((\.\w+)+)(:\w+)?")  # a whole string: "jointir.joint.jpq:jpq"


@dataclass(frozen=True)
class Import:
    """That a module imports another one; names are without "jointir.". run: not for types alone."""

    module: str
    line: int
    other: str
    run: bool


def modules(folder: Path) -> dict[str, Path]:
    """Return the package's modules by name: "joint.jpq", and "joint" for its __init__.py."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        *rooms, name = path.relative_to(folder).with_suffix("").parts
        found[".".join(rooms if rooms and name == "__init__" else [*rooms, name])] = path
    return found


def names_of(node: ast.AST, package: list[str]) -> list[str]:
    """Return the absolute names that a node of a module in `package` may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        whole = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{whole}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value.partition(":")[0]] if NAMED.fullmatch(node.value) else []
    return []


def known(name: str, everything: dict[str, Path]) -> str | None:
    """Return the module that an absolute name is, or is in; None where it is of elsewhere."""
    if name.split(".")[0] != "jointir":
        return None
    parts = name.split(".")[1:]
    longest = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((one for one in longest if one in everything), "__init__")


def for_types(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes under `if TYPE_CHECKING:`."""
    tests = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    asked = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    bodies = [node.body for node in tests if ast.unparse(node.test) in asked]
    return {node for body in bodies for statement in body for node in ast.walk(statement)}


def of_stage(tree: ast.Module, module: str) -> set[ast.AST]:
    """Return the nodes in `train` or `searcher` of a method's module."""
    if not module.startswith("methods."):
        return set()
    stages = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in LATE)
    return {node for stage in stages for statement in stage.body for node in ast.walk(statement)}


def imports(folder: Path) -> Iterator[Import]:
    """Yield what the modules of a package, whose folder this is, import of each other."""
    everything = modules(folder)
    for module, path in everything.items():
        package = ["jointir", *path.relative_to(folder).parts[:-1]]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typed, late = for_types(tree), of_stage(tree, module)
        for node in ast.walk(tree):
            importing = "cli" if node in late else module
            for other in {known(name, everything) for name in names_of(node, package)}:
                if other is not None:
                    yield Import(importing, node.lineno, other, node not in typed)


def layer(module: str) -> int:
    """Return the place of a module's room in LAYERS."""
    room = module.split(".")[0]
    found = [i for i, rooms in enumerate(LAYERS) if room in rooms]
    assert found, f"{module}: its room {room} has no layer yet. Give it one in LAYERS"
    return found[0]


def upward(folder: Path) -> list[str]:
    """Return a line for each import of a higher layer: file, line, and both rooms."""
    paths = modules(folder)
    return [
        f"{paths[i.module].relative_to(folder)}:{i.line}: {i.module.split('.')[0]} imports"
        f" {i.other} of the higher {i.other.split('.')[0]}"
        for i in imports(folder)
        if layer(i.other) > layer(i.module)
    ]


def circles(folder: Path) -> list[str]:
    """Return a line for each circle of modules: each step's file and line, back to the first."""
    steps: dict[str, dict[str, int]] = {}
    for i in imports(folder):
        if i.run and i.other != i.module:
            steps.setdefault(i.module, {}).setdefault(i.other, i.line)
    found, done = [], set()

    def walk(module: str, way: list[str]) -> None:
        if module in way:
            circle = way[way.index(module) :]
            pairs = zip(circle, [*circle[1:], module], strict=True)
            found.append(", ".join(f"{a}:{steps[a][b]} imports {b}" for a, b in pairs))
        elif module not in done:
            for other in sorted(steps.get(module, ())):
                walk(other, [*way, module])
            done.add(module)

    for module in sorted(steps):
        walk(module, [])
    return found


SOURCE = ROOT / "src" / "jointir"


def test_no_module_imports_a_higher_layer():
    found = upward(SOURCE)
    assert not found, "\n".join(found)


def test_no_module_imports_itself_by_way_of_others():
    found = circles(SOURCE)
    assert not found, "\n".join(found)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a package of these sources; return its folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


UPWARD = {
    "at the top": "import os\nfrom jointir.measure.trec import read_run",
    "by its room": "import os\nfrom jointir.measure import trec",
    "whole": "import os\nimport jointir.measure.trec",
    "in a function": "def f():\n    from jointir.measure.trec import read_run",
    "for types": "if TYPE_CHECKING:\n    from jointir.measure.trec import read_run",
    "relative": "import os\nfrom ..measure.trec import read_run",
    "relative room": "import os\nfrom ..measure import trec",
    "by its name": "import os\nLATE = import_module('jointir.measure.trec')",
    "by a name in it": "import os\nLATE = 'jointir.measure.trec:read_run'",
}


@pytest.mark.parametrize("source", UPWARD.values(), ids=UPWARD)
def test_an_upward_import_is_told_with_file_line_and_both_rooms(tmp_path, source):
    files = {"__init__.py": "", "measure/trec.py": "", "search/bm25.py": source}
    told = ["search/bm25.py:2: search imports measure.trec of the higher measure"]
    assert upward(write(tmp_path, files)) == told


def test_imports_downwards_and_of_peers_are_none(tmp_path):
    files = {
        "__init__.py": '__version__ = "1"',
        "basics/errors.py": "",
        "faults.py": "from jointir import __version__\nimport jointir.basics.errors",
        "joint/jpq.py": '"""See jointir.measure.trec."""\nimport jointir.basics.errors',
        "measure/trec.py": "from jointir.joint.jpq import jpq",
        "retrievers/adore.py": "from jointir.joint import jpq",
    }
    assert upward(write(tmp_path, files)) == circles(tmp_path) == []


def test_a_method_trains_as_the_command_line_does(tmp_path):
    late = "import os\ndef train():\n    from jointir.joint.jpq import jpq"
    files = {"methods/jpq.py": late, "joint/jpq.py": "from jointir.methods.jpq import Settings"}
    assert upward(write(tmp_path, files)) == circles(tmp_path) == []
    write(tmp_path, {"methods/jpq.py": late.replace("train", "new")})
    assert upward(tmp_path) == ["methods/jpq.py:3: methods imports joint.jpq of the higher joint"]
    assert circles(tmp_path) == ["joint.jpq:1 imports methods.jpq, methods.jpq:3 imports joint.jpq"]
    above = late.replace("joint.jpq", "measure.a")
    write(tmp_path, {"methods/jpq.py": "", "joint/stage.py": above, "measure/a.py": ""})
    assert upward(tmp_path) == ["joint/stage.py:3: joint imports measure.a of the higher measure"]


def test_a_room_without_a_layer_is_refused(tmp_path):
    write(
        tmp_path,
        {"basics/errors.py": "", "attic/old.py": "from jointir.basics.errors import InputError"},
    )
    with pytest.raises(AssertionError, match=r"attic\.old: its room attic has no layer yet"):
        upward(tmp_path)


def test_a_circle_is_told_with_each_step(tmp_path):
    files = {
        "search/a.py": "from jointir.search.b import x",
        "search/b.py": "import os\ndef f():\n    from jointir.search import c",
        "search/c.py": "import jointir.search.a\nimport jointir.search.d",
        "search/d.py": "if TYPE_CHECKING:\n    from jointir.search.c import x",
    }
    told = "search.a:1 imports search.b, search.b:3 imports search.c, search.c:1 imports search.a"
    assert circles(write(tmp_path, files)) == [told]
    assert upward(tmp_path) == []
    write(tmp_path, {"search/d.py": "if not TYPE_CHECKING:\n    from jointir.search.c import x"})
    assert [told, "search.c:2 imports search.d, search.d:2 imports search.c"] == circles(tmp_path)
