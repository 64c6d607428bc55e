"""Which source files a module runs: its own and those it imports, found without importing."""

import ast
import re
from functools import cache
from pathlib import Path
from textwrap import dedent

# a statement from the line that it begins on to its end, or to its closing parenthesis
IMPORT = re.compile(r"^[ \t]*(?:from|import)\b[^(\n]*(?:\([^)]*\))?", re.MULTILINE)


def _imports(text: str, packages: tuple[str, ...]) -> set[str]:
    """Return the names that a module imports of these packages, at whatever depth it does.

    Only its import statements are parsed: whole files would be a third of Snakemake's start.
    """
    parts = IMPORT.findall(text)
    found = [dedent(part) for part in parts if any(p.rstrip(".") in part for p in packages)]
    try:
        statements = ast.parse("\n".join(found)).body
    except SyntaxError:  # one is written in a way that IMPORT does not know, or is a text's line
        statements = list(ast.walk(ast.parse(text)))
    names: set[str] = set()
    for node in statements:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
    return {name for name in names if name.startswith(packages)}


@cache
def _module(root: str, name: str, packages: tuple[str, ...]) -> tuple[str, set[str]]:
    """Return the file of a module, "" where it has none, and what that imports."""
    path = Path(root, *name.split(".")).with_suffix(".py")
    if not path.is_file():
        return "", set()
    return str(path), _imports(path.read_text(), packages)


@cache  # a process that builds many DAGs, as the tests do, asks for the same again
def sources(root: str, *modules: str) -> list[str]:
    """Return the sorted files under `root` that `modules` import, directly or not, with their own.

    Raises:
        FileNotFoundError: one of `modules` has no file.
    """
    packages = tuple(sorted({f"{name.split('.')[0]}." for name in modules}))
    found: dict[str, str] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name], imported = _module(root, name, packages)
        if name in modules and not found[name]:
            raise FileNotFoundError(Path(root, *name.split(".")).with_suffix(".py"))
        todo += imported
    return sorted({path for path in found.values() if path})
