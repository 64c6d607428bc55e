"""The methods of params/systems.yaml: a module a method, named as it is, with its `Settings`.

What the pipeline has to know of each beside them is in facts.py. They import nothing of a method's
code, nor its libraries: the params of the pipeline are checked by them each time that it is
started.
"""

from importlib import import_module
from pathlib import Path

BESIDE = {"shared", "facts"}  # what several methods have, and what is known of all: no methods


def names() -> list[str]:
    """Return the methods' names, sorted: "itq-lsh" for the module itq_lsh."""
    modules = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return sorted(name.replace("_", "-") for name in modules - BESIDE)


def settings(name: str) -> type:
    """Return the `Settings` of a method of `names`.

    Raises:
        KeyError: there is no such method.
    """
    if name not in names():
        raise KeyError(f"{name!r} is no method of {names()}")
    return import_module(f"{__name__}.{name.replace('-', '_')}").Settings
