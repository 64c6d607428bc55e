"""Which methods there are: each module of this folder is one, but for those of BESIDE."""

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked, described
from jointir.methods.arguments import (
    DevOptions,
    EncoderFiles,
    Files,
    RankerFiles,
    RankerOptions,
    SampleOptions,
)
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Trained

BESIDE = {"shared", "facts", "known", "arguments"}
# what an entry or a stage has beside the settings of a method with `new`, or with `train`
TAKEN = {"method", "like", "start", "seeds", "every_seed", "nprobe", "help"}
BESIDE_NEW = {"docs", "out"}
BESIDE_SEARCHER = {"docs", "out", "threads", "sweep"}
BESIDE_TRAIN = {"M", "tuned", "own", *described(Files), *described(DevOptions)}
BESIDE_TRAIN |= {*described(EncoderFiles), *described(SampleOptions)}
BESIDE_RANKER = {"out", "meta", "dataset", "system", "seed", "out_hybrid", "meta_hybrid"}
BESIDE_RANKER |= {*described(RankerFiles), *described(RankerOptions)}
KINDS = (bool, int, float, str, list[float])  # of a setting
OPTIONAL = {field.name for field in fields(Files) if field.default is None}
TRAINED = (Form.INDEX, Form.ENCODER, Form.RANKER)  # what has `train` where it `trains`
MAKES = ("new", "train", "searcher")  # of a method's module: it has the one that makes its index
EXAMPLE = "docs/extending.md has an example"


@cache
def names() -> list[str]:
    """Return the names of what has `Settings`, sorted: "itq-lsh" for the module itq_lsh."""
    modules = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return sorted(name.replace("_", "-") for name in modules - BESIDE)


def path_of(name: str) -> str:
    """Return where the file of a method is."""
    return f"src/jointir/methods/{name.replace('-', '_')}.py"


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
    where = path_of(name)
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
    kind, facts = getattr(found, "Settings", None), getattr(found, "FACTS", None)
    made = [name for name in MAKES if hasattr(found, name)]
    if not (isinstance(kind, type) and issubclass(kind, Checked)):
        yield "it has no `Settings` on top of `Checked`", EXAMPLE
    elif "__dataclass_fields__" not in vars(kind):
        yield "its `Settings` has no @dataclass of its own", EXAMPLE
    else:
        yield from _lacks_of_fields(kind, made)
    if not isinstance(facts, Facts) and (made or hasattr(found, "FACTS")):
        yield "it has no `FACTS` that are `Facts`", EXAMPLE
    elif len(made) > 1:
        told = " and ".join(f"`{name}`" for name in made)
        yield f"it has {told}", "Keep the one by which its index is made"
    elif facts:
        yield from _lacks_of_method(kind, facts, *made)
        if facts.ranker:
            yield from _lacks_of_ranker(getattr(found, "Search", kind), facts)


def _lacks_of_fields(kind: type, made: list[str]) -> Iterator[tuple[str, str]]:
    taken = {"new": TAKEN | BESIDE_NEW, "train": TAKEN | BESIDE_TRAIN}
    taken["searcher"] = TAKEN | BESIDE_SEARCHER
    for field, (own, _) in described(kind).items():
        if own not in KINDS:
            told = "no bool, int, float, str or list[float]"
            yield f"the setting {field!r} is {told}", "Give it such a type"
        if any(field in taken[name] for name in made):
            yield f"the setting {field!r} has a name that the pipeline takes", "Rename it"


def _lacks_of_method(kind: type, facts: Facts, made: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a method by how it is made: one of MAKES, or otherwise."""
    trained = facts.form in TRAINED and facts.trains
    if (made == "searcher") != (facts.form == Form.LIBRARY):
        yield "an index of a library has `searcher`, and nothing else has", EXAMPLE
    if made == "new" and facts.form == Form.INDEX and not hasattr(kind, "M"):
        yield "its `Settings` has no M", "Put it on top of `Built`"
    if trained != (made == "train"):
        yield "an index or encoder that `trains` has `train`, and nothing else has", EXAMPLE
    if made == "train":
        yield from _lacks_of_training(kind, facts)
    if bool(facts.ranker) != (facts.form == Form.RANKER):
        yield "a ranker's FACTS name its `ranker`, and no others do", EXAMPLE


def _lacks_of_training(kind: type, facts: Facts) -> Iterator[tuple[str, str]]:
    if not issubclass(kind, Trained):
        yield "its `Settings` are those of no training", "Put it on top of `Trained`"
    if facts.form == Form.INDEX and "start" not in facts.references:
        yield "its `FACTS` do not say what it may start from", EXAMPLE
    for name, conditions in facts.reads.items():
        settings_of = {condition.partition("=")[0] for condition in conditions}
        if name not in OPTIONAL or settings_of - set(described(kind)):
            yield f"`reads` of its `FACTS` says {name!r}, or settings, that are none", EXAMPLE


def _lacks_of_ranker(kind: type, facts: Facts) -> Iterator[tuple[str, str]]:
    if taken := sorted(set(described(kind)) & (TAKEN | BESIDE_RANKER)):
        yield f"the setting {taken[0]!r} has a name that the pipeline takes", "Rename it"
    if not re.fullmatch(r"[\w.]+:\w+", facts.ranker):
        yield f"`ranker` of its `FACTS`, {facts.ranker!r}, is no MODULE:CLASS", EXAMPLE


def settings(name: str) -> type:
    """Return the `Settings` of one of `names`; a KeyError where there is no such method."""
    return module(name).Settings


def search_settings(name: str) -> type:
    """Return what a ranker is told when it searches: its `Search`, or `Settings` without one."""
    found = module(name)
    return getattr(found, "Search", found.Settings)


@cache
def facts() -> dict[str, Facts]:
    """Return the facts of each method that a system can have."""
    own = {name: module(name) for name in names()}
    return {name: m.FACTS for name, m in own.items() if hasattr(m, "FACTS")}


@cache
def fitted() -> list[str]:
    """Return the methods whose index is fitted after training: those with `new`."""
    return [name for name in names() if hasattr(module(name), "new")]


@cache
def libraries() -> list[str]:
    """Return the methods that a library builds and searches: those with `searcher`."""
    return [name for name in names() if hasattr(module(name), "searcher")]


@cache
def rankers() -> list[str]:
    """Return the methods that rank by themselves: those whose FACTS name a `ranker`."""
    return [name for name, its in facts().items() if its.ranker]


@cache
def trained(*forms: Form) -> list[str]:
    """Return the methods that train an encoder, or an index with it: those with `train`.

    forms: those of these forms alone.
    """
    own = [name for name in names() if hasattr(module(name), "train")]
    return [name for name in own if module(name).FACTS.form in (forms or TRAINED)]
