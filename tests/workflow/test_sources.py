"""Which source files a stage runs: found from the text of its import statements alone."""

import ast
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from jointir.cli import stages
from jointir.methods.known import fitted, trained

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
from sources import sources


def imported(path: Path) -> set[str]:
    """Return the names that a file imports, by a look at everything in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
    return names


MODULES = {where.split(":")[0] for where in stages().values()}
MODULES |= {f"jointir.methods.{name.replace('-', '_')}" for name in [*fitted(), *trained()]}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_they_are_those_that_the_whole_syntax_tree_imports(module):
    found = [Path(path) for path in sources(str(ROOT / "src"), module)]
    files = {p: ".".join(p.relative_to(ROOT / "src").with_suffix("").parts) for p in found}
    assert module in files.values()
    modules = {p.relative_to(ROOT / "src") for p in (ROOT / "src").rglob("*.py")}
    known = {".".join(p.with_suffix("").parts) for p in modules}
    read = {name for path in files for name in imported(path)} & known
    assert read | {module} == set(files.values()), "all that is read, and nothing else"


@pytest.mark.parametrize(
    "text",
    [
        "import pack.b",
        "import os, pack.b",
        "import pack.b as other",
        "from pack import b",
        "from pack.b import thing",
        "from pack import (\n    a,  # (of no use)\n    b,\n)",
        "def f():\n    from pack import b\n    return b",
        "if True:\n    import pack.b  # here alone\nelse:\n    b = None",
        "from pack import \\\n    b",
        '"""Text with a line\nfrom pack or elsewhere, (begun and\nnever ended."""\nimport pack.b',
    ],
)
def test_an_import_is_found_however_it_is_written(tmp_path, text):
    (tmp_path / "pack").mkdir()
    for name, content in (("a", text), ("b", ""), ("c", "import pack.a")):
        (tmp_path / "pack" / f"{name}.py").write_text(content)
    found = [Path(path).name for path in sources(str(tmp_path), "pack.a")]
    assert found == ["a.py", "b.py"]


def test_a_module_without_a_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        sources(str(tmp_path), "pack.nothing")
