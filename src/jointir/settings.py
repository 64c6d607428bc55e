"""Settings that belong together, as a dataclass: a stage takes it whole, its command as options."""

from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints


def unfolded(arguments: dict[str, object]) -> dict[str, object]:
    """Return the arguments of a stage by name, a dataclass's fields in its place."""
    found: dict[str, object] = {}
    for name, value in arguments.items():
        if is_dataclass(value):
            found |= {f.name: getattr(value, f.name) for f in fields(value)}
        else:
            found[name] = value
    return found


def described(kind: type) -> dict[str, tuple[Any, str]]:
    """Return the type of each field of a dataclass and what is said of it, "" for nothing.

    That is the text of `Annotated[int, "steps of the training"]`.
    """
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        own, *texts = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found[name] = (own, next((text for text in texts if isinstance(text, str)), ""))
    return found
