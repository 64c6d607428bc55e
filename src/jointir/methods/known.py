"""Which methods there are: each module of this folder is one, but for those of BESIDE."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from jointir.errors import InputError
from jointir.methods.facts import OTHERS, Facts, Form
from jointir.settings import Checked, described

BESIDE = {"shared", "facts", "known"}
# what an entry or a stage has beside the settings of a method with `new`
TAKEN = {"method", "like", "start", "seeds", "every_seed", "nprobe", "docs", "out", "help"}
EXAMPLE = "docs/extending.md has an example"


def names() -> list[str]:
    """Return the names of what has `Settings`, sorted: "itq-lsh" for the module itq_lsh."""
    modules = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return sorted(name.replace("_", "-") for name in modules - BESIDE)


def module(name: str) -> ModuleType:
    """Return the module of one of `names`.

    Raises:
        KeyError: there is no such method.
        InputError: its file cannot be imported, or lacks what a method has.
    """
    if name not in names():
        raise KeyError(f"{name!r} is no method of {names()}")
    return _checked(name.replace("-", "_"))


@cache
def _checked(name: str) -> ModuleType:
    where = f"src/jointir/methods/{name}.py"
    try:
        found = import_module(f"jointir.methods.{name}")
    except Exception as e:  # whatever the file does: every start of the pipeline reads it
        text = f"{type(e).__name__}: {e}".splitlines()[0]
        raise InputError(where, f"it cannot be imported, {text}", "Correct it") from e
    for lacks, remedy in _lacks(found):
        raise InputError(where, lacks, remedy)
    return found


def _lacks(found: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a method's module, and what to do about it."""
    kind, fitted = getattr(found, "Settings", None), hasattr(found, "new")
    facts = getattr(found, "FACTS", None)
    if not (isinstance(kind, type) and issubclass(kind, Checked)):
        yield "it has no `Settings` on top of `Checked`", EXAMPLE
    elif "__dataclass_fields__" not in vars(kind):
        yield "its `Settings` has no @dataclass of its own", EXAMPLE
    else:
        yield from _lacks_of_fields(kind, fitted)
    if not isinstance(facts, Facts) and (fitted or hasattr(found, "FACTS")):
        yield "it has no `FACTS` that are `Facts`", EXAMPLE
    elif fitted and facts.form == Form.INDEX and not hasattr(kind, "M"):
        yield "its `Settings` has no M", "Put it on top of `Built`"


def _lacks_of_fields(kind: type, fitted: bool) -> Iterator[tuple[str, str]]:
    for field, (own, _) in described(kind).items():
        if own not in (bool, int, float, str):
            yield f"the setting {field!r} is no bool, int, float or str", "Give it such a type"
    for field in sorted(TAKEN.intersection(described(kind))) if fitted else ():
        yield f"the setting {field!r} has a name that the pipeline takes", "Rename it"


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
