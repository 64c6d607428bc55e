"""The systems of params/systems.yaml: each a method with its settings, or like another one.

A system that is `like` another has all of its settings but for what it names itself. Where it has
another method, it takes those settings that its own method has, too.
"""

from collections.abc import Iterator, Mapping

from workflow.scripts.reads import remembered

from jointir.basics.errors import InputError
from jointir.methods.facts import PRETRAINED, Facts, Form
from jointir.methods.known import facts

HEAD = ("method", "like")  # of an entry: what is no setting
# folders of data/DATASET/, beside which that of an encoder is
TAKEN = {"collection", "source", "systems", "runs", "measures", "fits", "tune"}
TAKEN |= {"scratch", "generative", "negatives", "expand"}
# entries that reports, `tune` and datasets of vectors name, and their methods
FIXED = {"star": "star", "opq": "opq", "jpq": "jpq", "bm25": "bm25"}
FIXED |= {"brute-force": "brute-force"}


class Systems(Mapping):
    """The resolved systems: name -> {"method": ..., and every setting}.

    Which entries there are and their methods can be asked without noting that params were read
    (reads.py): they tell which rule makes a file, and no job depends on them alone.
    """

    def __init__(self, entries: dict[str, dict], known: Mapping[str, set[str]]):
        """entries: as written. known: the names of the settings of each method.

        Raises:
            InputError: an entry without a method or with an unknown one, a `like` that names no
                entry, or a circle of them.
        """
        self.known, self._entries = known, entries
        self.chains = {name: _chain(name, entries) for name in entries}
        self.methods = {name: _method(name, entries, self.chains[name]) for name in entries}
        self._resolved = {name: self._settings(name) for name in entries}

    def _settings(self, name: str) -> dict:
        method, found = self.methods[name], {}
        for other in reversed(self.chains[name]):
            own = {k: v for k, v in self._entries[other].items() if k not in HEAD}
            if self.methods[other] != method:
                own = {k: v for k, v in own.items() if k in self.known[method]}
            found = _merged(found, own)
        return {"method": method, **found}

    def __getitem__(self, name: str) -> dict:
        return self._resolved[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._resolved)

    def __len__(self) -> int:
        return len(self._resolved)

    def facts(self, name: str) -> Facts:
        """Return the facts of a system's method."""
        return facts()[self.methods[name]]

    def of_method(self, *methods: str) -> list[str]:
        """Return the systems of some methods."""
        return [name for name, method in self.methods.items() if method in methods]

    def of_form(self, *forms: Form) -> list[str]:
        """Return the systems that are of some forms on disk."""
        return [name for name in self.methods if self.facts(name).form in forms]

    def origin(self, name: str, *path: object) -> str:
        """Return the entry that a value of a system was written in: its own, or one it is like."""
        return next((e for e in self.chains[name] if path and _has(self._entries[e], path)), name)


class Entry(Mapping):
    """A system's settings, from its own part of the params and from those that it is like.

    Who reads a value reads it where it is written: `Params` notes it there, and of the entries
    before it that they do not have it.
    """

    def __init__(self, layers: list[Mapping], known: set[str] | None = None):
        """layers: the entry's own params first. known: the settings' names, None for all."""
        self._layers, self._known = layers, known
        self._found = remembered(self._values)  # rules ask for the same 100,000 times

    def __getitem__(self, key: str) -> object:
        found = self._found(key)
        if not found:
            raise KeyError(key)
        return found[0]

    def _values(self, key: str) -> list:
        """Return the value of a key in a list, which is empty where there is none."""
        self._read_method()
        if self._known is not None and key not in self._known:
            return []
        found = [layer[key] for layer in self._until(key)]
        return [Entry(found)] if found and isinstance(found[0], Mapping) else found[:1]

    def _read_method(self) -> None:
        """Note the method as read, and the entries before it that take it from another."""
        if self._known is not None:
            next(layer["method"] for layer in self._layers if "method" in layer)

    def _until(self, key: str) -> Iterator[Mapping]:
        """Yield the layers that have a key: the first, and the others where it is a group."""
        for layer in self._layers:
            if key in layer:
                yield layer
                if not isinstance(layer[key], Mapping):
                    return

    def __iter__(self) -> Iterator[str]:
        self._read_method()
        names = dict.fromkeys(key for layer in self._layers for key in layer)
        known = set(names) - set(HEAD) if self._known is None else self._known
        return iter([name for name in names if name in known])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __or__(self, other: Mapping) -> dict:
        return {**self, **other}


def check(systems: Systems) -> None:
    """Refuse what a schema cannot say of the systems: what each one may start from.

    Raises:
        InputError: the first such system, by its name and setting.
    """
    for name, method in FIXED.items():
        if systems.methods.get(name) != method:
            found = f"has the method {systems.methods[name]!r}" if name in systems else "is missing"
            remedy = f"Give it the method {method!r}: other parts of the pipeline name it"
            raise InputError(f"systems.{name}", found, remedy)
    for name in systems:
        form = systems.facts(name).form
        if name == PRETRAINED:
            found = "is what `start` calls the encoder as it came"
            raise InputError(f"systems.{name}", found, "Choose another name")
        if form in (Form.ENCODER, Form.RANKER) and name in TAKEN:
            found = "is the name of another folder in data/DATASET/"
            raise InputError(f"systems.{name}", found, "Choose another name")
        if "+" in name and form != Form.IDENTIFIERS:
            found = "has a +, which no stage of DVC may have"
            raise InputError(f"systems.{name}", found, "Choose another name")
        for setting, methods in systems.facts(name).references.items():
            _check_reference(systems, name, setting, methods)
    for name in systems:
        _check_circle(systems, name)
        _check_bits(systems, name)
        if systems.facts(name).form == Form.LIBRARY:
            _check_sweep(systems, name)
        if "every_seed" in systems[name] and "seeds" not in systems[name]:
            where = f"systems.{systems.origin(name, 'every_seed')}"
            found = "there are no `seeds`, of which it tells the M"
            raise InputError(f"{where}.every_seed", found, "Name `seeds` too, or leave it out")
    if "seeds" in systems["jpq"]:
        found = "is named, and the reports compare with one training of JPQ"
        raise InputError("systems.jpq.seeds", found, "Name it of an entry that is `like: jpq`")


def _check_reference(systems: Systems, name: str, setting: str, methods: tuple) -> None:
    where, other = f"systems.{name}.{setting}", systems[name][setting]
    if other == PRETRAINED and PRETRAINED in methods:
        return
    fits = [*(PRETRAINED,) * (PRETRAINED in methods), *systems.of_method(*methods)]
    if other not in systems:
        raise InputError(where, f"{other!r} is not under `systems`", f"Choose of {fits}")
    if systems.methods[other] not in methods:
        found = f"{other!r} has the method {systems.methods[other]!r}"
        raise InputError(where, found, f"Choose of {fits}")


def _check_circle(systems: Systems, name: str) -> None:
    seen = [name]
    while (start := systems[seen[-1]].get("start", PRETRAINED)) in systems:
        if start in seen:
            found = f"{' starts from '.join([*seen[seen.index(start) :], start])}: a circle"
            raise InputError(f"systems.{start}.start", found, "Let one of them start elsewhere")
        seen.append(start)


def _check_bits(systems: Systems, name: str) -> None:
    fits = systems.facts(name).bits
    if fits and (bits := bits_of(systems, name)) not in fits:
        found = f"{systems[name]['start']!r} has codes of {bits} bits"
        raise InputError(f"systems.{name}.start", found, "Name one with codes of 8 bits")


def _check_sweep(systems: Systems, name: str) -> None:
    """Check that a library's index has each setting once: its own, or the M that it sweeps."""
    own, (swept,) = systems[name], systems[name]["sweep"]
    wanted = systems.facts(name).search_parameter or "M"
    where = f"systems.{systems.origin(name, 'sweep')}.sweep"
    if swept != wanted:
        found = f"{swept!r} is not what an index of {systems.methods[name]!r} sweeps"
        raise InputError(where, found, f"Name {wanted}")
    if swept in own:
        found = f"{swept!r} is a setting of {name!r}, too"
        raise InputError(where, found, "Leave out one of the two")


def bits_of(systems: Mapping[str, Mapping], name: str) -> int:
    """Return the bits of a system's codes: its own, or those of what it starts from."""
    own = systems[name]
    if "bits" in own or own.get("start", PRETRAINED) == PRETRAINED:
        return own.get("bits", 8)
    return bits_of(systems, own["start"])


def _chain(name: str, entries: dict[str, dict]) -> list[str]:
    """Return an entry, the one that it is like, the one that this is like, and so on."""
    found = [name]
    while True:
        where, own = f"systems.{found[-1]}", entries[found[-1]]
        if not isinstance(own, dict):
            raise InputError(
                where, f"{own!r} is no entry", "Give it a method, or another to be like"
            )
        if (other := own.get("like")) is None:
            return found
        if not isinstance(other, str) or other not in entries:
            remedy = f"Describe it there, or choose of {', '.join(sorted(entries))}"
            raise InputError(f"{where}.like", f"{other!r} is not under `systems`", remedy)
        if other in found:  # an entry that leads into a circle is none of it
            told = f"{' is like '.join([*found[found.index(other) :], other])}: a circle"
            raise InputError(f"systems.{other}.like", told, "Let one of them have a method alone")
        found.append(other)


def _method(name: str, entries: dict[str, dict], chain: list[str]) -> str:
    for other in chain:
        if (method := entries[other].get("method")) is not None:
            if not isinstance(method, str) or method not in facts():
                where = f"systems.{other}.method"
                raise InputError(where, f"{method!r} is unknown", f"Choose of {', '.join(facts())}")
            return method
    remedy = "Give it a method, or the name of an entry that it is like"
    raise InputError(f"systems.{name}", "it has neither `method` nor `like`", remedy)


def _merged(base: dict, own: dict) -> dict:
    """Return `base` with `own` merged into it."""
    both = {
        k: _merged(base[k], v)
        for k, v in own.items()
        if isinstance(v, dict) and isinstance(base.get(k), dict)
    }
    return base | own | both


def _has(tree: object, path: tuple) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True
