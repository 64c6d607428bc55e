"""Which params each rule and job reads: DVC is told of these, and nobody lists them by hand."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from unittest.mock import patch

Path = tuple[str, ...]  # of keys, from the root of the params
_told: set[Path] = set()  # by every `Params`, since somebody last took it
_remembered: list[dict] = []  # what each function that is `remembered` keeps


class Params(Mapping):
    """The params, or a part of them, as a mapping that notes what is read.

    A value is noted by its path. Whoever looks through all keys of a part, or asks for a key that
    is not there, has read the whole part.
    """

    def __init__(self, tree: dict, path: Path = ()):
        self._tree, self._path = tree, path

    def __getitem__(self, key: str) -> object:
        if key not in self._tree:
            _told.add(self._path)
            raise KeyError(key)
        value, path = self._tree[key], (*self._path, key)
        if isinstance(value, dict):
            return Params(value, path)
        _told.add(path)
        return value

    def __contains__(self, key: object) -> bool:
        if not isinstance(self._tree.get(key), dict):
            _told.add((*self._path, key) if key in self._tree else self._path)
        return key in self._tree

    def __iter__(self) -> Iterator[str]:
        _told.add(self._path)
        return iter(self._tree)

    def __len__(self) -> int:
        _told.add(self._path)
        return len(self._tree)

    def __or__(self, other: Mapping) -> dict:
        return {**self, **other}

    def __ror__(self, other: Mapping) -> dict:
        return {**other, **self}


def remembered(function: Callable) -> Callable:
    """Keep what a function returns, and note again each time what it read to find it.

    It depends on its arguments and the params alone, and nobody changes what it returns.
    """
    kept: dict[tuple, tuple[object, frozenset[Path]]] = {}
    _remembered.append(kept)

    @wraps(function)
    def asked(*given: object) -> object:
        if given not in kept:
            before = taken()
            try:
                kept[given] = function(*given), frozenset(_told)
            finally:
                _told.update(before)
        value, read = kept[given]
        _told.update(read)
        return value

    return asked


def forget() -> None:
    """Let every function that is `remembered` ask anew: the params are others."""
    for kept in _remembered:
        kept.clear()


class Lazy(Mapping):
    """Names and what each stands for, found when they are asked for first.

    Whoever asks has read the params that they come from, and no others.
    """

    def __init__(self, names: Callable[[], Iterable[str]], meaning: Callable[[str], object]):
        self._names = remembered(lambda: tuple(names()))
        self._meaning = remembered(meaning)

    def __getitem__(self, name: str) -> object:
        if name not in self:
            raise KeyError(name)
        return self._meaning(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


def taken() -> set[Path]:
    """Return what was read since the last call."""
    found = set(_told)
    _told.clear()
    return found


class Reads:
    """What was read while a workflow was parsed: by each rule's own lines, and by all others."""

    def __init__(self) -> None:
        self.of_rule: dict[str, set[Path]] = {}
        self.of_none: set[Path] = set()  # of lines that belong to no rule, and so to every one

    def close(self, name: str, before: str = "") -> None:
        """Note all since `begin` as read by a rule, and by the rule that it inherits from."""
        self.of_rule[name] = taken() | self.of_rule.get(before, set())


@contextmanager
def recorded() -> Iterator[Reads]:
    """Note what each rule reads, for as long as the block parses a workflow."""
    from snakemake.workflow import Workflow  # a circle, where Snakemake is imported by this first

    reads, rule, userule = Reads(), Workflow.rule, Workflow.userule

    def noted(decorate: Callable, name: str, before: str = "") -> Callable:
        def decorator(info: object) -> object:  # called when the rule's lines have been evaluated
            done = decorate(info)
            reads.close(getattr(info, "name", None) or name, before)
            return done

        return decorator

    def begin() -> None:
        reads.of_none |= taken()

    def new_rule(self: object, name: str | None = None, **options: object) -> Callable:
        begin()
        return noted(rule(self, name, **options), name)

    def use_rule(self: object, rules: list[str], **options: object) -> Callable:
        begin()
        made = userule(self, rules, **options)

        def decorator(info: object) -> object:
            own = taken()  # before `use rule` calls `rule`
            done = made(info)
            _told.update(own)
            reads.close(options["name_modifier"], rules[0])
            return done

        return decorator

    taken()
    with patch.object(Workflow, "rule", new_rule), patch.object(Workflow, "userule", use_rule):
        yield reads
    taken()  # by jobs, after the last rule


def by_job(job: object) -> set[Path]:
    """Return what a job's functions read: those of its inputs and of its params."""
    taken()
    job.rule.expand_input(job.wildcards_dict)
    job.rule.expand_params(job.wildcards_dict, job.input, job.output, job)
    return taken()


def dotted(paths: set[Path]) -> list[str]:
    """Return the paths as DVC writes them, those left out that are in another."""
    kept = {p for p in paths if p and not any(p[:i] in paths for i in range(1, len(p)))}
    return sorted(map(".".join, kept))
