"""Whether the settings of an entry of ASI fit each other; each check raises InputError.

What is wrong is named as it stands in the entry: "fresh", or "train_decoder.queries". Each of these
settings by itself is one that the method may have, so that the schema cannot refuse it.
"""

from collections.abc import Mapping

from jointir.basics.errors import InputError
from jointir.methods import known
from jointir.methods.asi import FOUND, LEAST, NONE

LEARNED = ("genret", "novo")  # kinds of given identifiers that a stage of this name learns


def batched(own: Mapping) -> None:
    """Refuse a batch that cannot hold what it is to encode."""
    if own["fresh"] > own["batch"] // 2:
        found = f"{own['fresh']} of a batch of {own['batch']}"
        raise InputError("fresh", found, "Choose half of it at most")


def shaped(own: Mapping) -> None:
    """Refuse a shape that the entry's identifiers cannot have."""
    kind = own.get("given")
    for name, least in LEAST.items():
        value, only = own[name], FOUND.get(kind, {}).get(name)
        if only is not None and value != only:
            found = f"{value}, and `given: {kind}` has as many as the documents need"
            raise InputError(name, found, f"Set {only}")
        if only is None and value < least and (name, kind, value) != ("length", "digits", 0):
            found = f"{value}, and nothing else says how many there are"
            raise InputError(name, found, f"Set {least} at least")
    if own["decoder"] == "linear" and kind != "atomic":
        found = "linear writes one token, and these identifiers have more"
        raise InputError("decoder", found, "Choose another one, or `given: atomic`")
    if own["indexer"] == NONE and not kind:
        found = "none, and no identifiers are `given`"
        raise InputError("indexer", found, "Choose a module, or a kind of identifiers")
    if "clusters" in own and kind != "tree":
        found = "is named, and these identifiers are no tree"
        raise InputError("clusters", found, "Leave it out, or set `given: tree`")
    for name in LEARNED:
        if name in own and kind != name:
            found = "is named, and these identifiers are not learned by it"
            raise InputError(name, found, f"Leave it out, or set `given: {name}`")
    if (own["decoder"] == "sets") != (kind == "novo"):
        found = f"{own['decoder']}, and the decoder of sets is for `given: novo` alone"
        raise InputError("decoder", found, "Set both, or none of them")


def taught(own: Mapping) -> None:
    """Refuse settings by which given identifiers cannot be learned."""
    kind = own["given"]
    if kind not in LEARNED:
        return
    if kind not in own:
        raise InputError("given", f"{kind}, and no `{kind}` says how", "Give its settings")
    if kind == "genret":
        _progressive(own["length"], own["genret"])


def _progressive(length: int, settings: Mapping) -> None:
    if length < 2:
        found = f"{length} leaves none to learn: the last position numbers documents"
        raise InputError("length", found, "Set 2 at least")
    P, refresh = length - 1, settings["refresh"]
    if settings["steps"] < 2 * P * refresh:
        found = f"{settings['steps']} for {P} positions that change their tokens each {refresh}"
        raise InputError("genret.steps", found, f"Set {2 * P * refresh} at least")


def mixed(own: Mapping) -> None:
    """Refuse settings of the decoder's training that do not fit each other."""
    try:
        known.settings("train-decoder")(**own["train_decoder"], holdout=0.0, seed=0)
    except InputError as e:
        option, found, remedy = e.parts
        name = option.removeprefix("--").replace("-", "_")
        raise InputError(f"train_decoder.{name}", found, remedy) from e
