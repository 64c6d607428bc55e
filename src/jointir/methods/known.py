"""Which methods there are: each module of this folder is one, but for those of BESIDE."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from jointir.methods.facts import OTHERS, Facts

BESIDE = {"shared", "facts", "known"}


def names() -> list[str]:
    """Return the names of what has `Settings`, sorted: "itq-lsh" for the module itq_lsh."""
    modules = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return sorted(name.replace("_", "-") for name in modules - BESIDE)


def module(name: str) -> ModuleType:
    """Return the module of one of `names`.

    Raises:
        KeyError: there is no such method.
    """
    if name not in names():
        raise KeyError(f"{name!r} is no method of {names()}")
    return import_module(f"jointir.methods.{name.replace('-', '_')}")


def settings(name: str) -> type:
    """Return the `Settings` of one of `names`; a KeyError where there is no such method."""
    return module(name).Settings


@cache
def facts() -> dict[str, Facts]:
    """Return the facts of each method that a system can have."""
    own = {name: module(name) for name in names()}
    return {name: m.FACTS for name, m in own.items() if hasattr(m, "FACTS")} | OTHERS


@cache
def fitted() -> list[str]:
    """Return the methods whose index is fitted after training: those with `new`."""
    return [name for name in names() if hasattr(module(name), "new")]
