"""Rules find the command `jointir` where the project itself is not installed."""

import os
from pathlib import Path


def make_findable(root: Path) -> None:
    """Put the sources and a `jointir` that runs them at the end of this process' search paths.

    An environment that conda makes from environment.yml holds what the project needs, not the
    project. An installed `jointir` comes first.
    """
    for variable, folder in (("PATH", root / "workflow/bin"), ("PYTHONPATH", root / "src")):
        known = [p for p in os.environ.get(variable, "").split(os.pathsep) if p]
        if str(folder) not in known:
            os.environ[variable] = os.pathsep.join([*known, str(folder)])
