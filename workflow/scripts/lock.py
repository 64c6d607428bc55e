"""Write requirements.lock: the exact versions that this environment has of all we depend on."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UNLOCKED = {"pip", "setuptools"}  # a virtual environment brings its own
HEADER = (
    "# Exact versions of all that jointir installs; made by `python workflow/scripts/lock.py`.\n"
)


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what an installed package requires here, with the extras that were asked for."""
    for text in distribution(requirement.name).requires or []:
        need = Requirement(text)
        extras = ("", *requirement.extras)
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
            yield need


def lock(pyproject: Path) -> dict[str, str]:
    """Return {package: version} of all that the project and its extras need, directly or not."""
    project = tomllib.loads(pyproject.read_text())["project"]
    todo = [Requirement(r) for r in project["dependencies"]]
    todo += [Requirement(r) for group in project["optional-dependencies"].values() for r in group]
    seen: set[tuple[str, frozenset[str]]] = set()
    versions: dict[str, str] = {}
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        if (name, frozenset(need.extras)) in seen:
            continue
        seen.add((name, frozenset(need.extras)))
        # "+cpu" and the like name a build, not a version: any build will do
        versions[name] = distribution(name).version.split("+")[0]
        todo += needs(need)
    return {n: v for n, v in sorted(versions.items()) if n not in UNLOCKED}


if __name__ == "__main__":
    try:
        versions = lock(Path("pyproject.toml"))
    except PackageNotFoundError as e:
        raise SystemExit(f"{e.name} is not installed: pip install -e '.[test,ann]' first") from e
    text = "".join(f"{n}=={v}\n" for n, v in versions.items())
    Path("requirements.lock").write_text(HEADER + text)
