"""Write requirements.lock and environment.yml: the exact versions that this environment has.

environment.yml names no file of the project: Snakemake copies it elsewhere, and conda installs from
there. The project itself need not be installed for the rules, which find it in src/ (command.py).
"""

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UNLOCKED = {"pip", "setuptools"}  # a virtual environment brings its own
MADE = "made by `python workflow/scripts/lock.py`."
HEADER = f"# Exact versions of all that jointir installs; {MADE}\n"
CONDA = f"""# For `conda env create -f environment.yml` and `snakemake --sdm conda`; {MADE}
name: jointir
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what an installed package requires here, with the extras that were asked for."""
    for text in distribution(requirement.name).requires or []:
        need = Requirement(text)
        extras = ("", *requirement.extras)
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
            yield need


def lock(pyproject: Path, extras: list[str]) -> dict[str, str]:
    """Return {package: version} of all that the project and `extras` need, directly or not."""
    project = tomllib.loads(pyproject.read_text())["project"]
    todo = [Requirement(r) for r in project["dependencies"]]
    todo += [Requirement(r) for e in extras for r in project["optional-dependencies"][e]]
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


def pins(versions: dict[str, str], indent: str = "") -> str:
    """Return one line for each package."""
    return "".join(f"{indent}{name}=={version}\n" for name, version in versions.items())


if __name__ == "__main__":
    project = Path("pyproject.toml")
    try:
        everything, tested = lock(project, ["test", "ann"]), lock(project, ["test"])
    except PackageNotFoundError as e:
        raise SystemExit(f"{e.name} is not installed: pip install -e '.[test,ann]' first") from e
    Path("requirements.lock").write_text(HEADER + pins(everything))
    Path("environment.yml").write_text(CONDA + pins(tested, "      - "))
