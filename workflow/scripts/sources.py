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


def sources(root: str, *modules: str) -> list[str]:
    """Return the sorted files under `root` that `modules` import, directly or not, with their own.

    Raises:
        FileNotFoundError: one of `modules` has no file.
    """
    found: set[Path] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        path = Path(root, *name.split(".")).with_suffix(".py")
        if path.is_file() and path not in found:
            found.add(path)
            todo += _imports(path)
        elif name in modules and path not in found:
            raise FileNotFoundError(path)
    return sorted(map(str, found))
