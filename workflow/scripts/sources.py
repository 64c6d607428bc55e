"""Which source files a module runs: its own and those it imports, found without importing."""

import ast
from functools import cache
from pathlib import Path


@cache
def _imports(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
    return frozenset(names)


@cache  # a process that builds many DAGs, as the tests do, asks for the same again
def sources(root: str, *modules: str) -> list[str]:
    """Return the sorted files under `root` that `modules` import, directly or not, with their own.

    Raises:
        FileNotFoundError: one of `modules` has no file.
    """
    packages = tuple({f"{name.split('.')[0]}." for name in modules})
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in found or not name.startswith(packages):
            continue
        path = Path(root, *name.split(".")).with_suffix(".py")
        if path.is_file():
            found[name] = path
            todo += _imports(path)
        elif name in modules:
            raise FileNotFoundError(path)
    return sorted(map(str, found.values()))
