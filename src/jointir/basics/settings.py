"""Settings that belong together, as a dataclass: a stage takes it whole, its command as options.

A field says all that is known of an option: its type, its default where it has one, and, in an
`Option`, its meaning and what values it may have. The command line, the checks of a stage and the
schema of the params read it there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import ge, gt, le, lt
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from jointir.basics.errors import InputError

# of an Option: its attribute, what a message calls the bound, and what a value has to be to it
BOUNDS = {"least": ("at least", ge), "above": ("above", gt)}
BOUNDS |= {"most": ("at most", le), "below": ("below", lt)}


@dataclass(frozen=True)
class Option:
    """What is said of a field: `Annotated[int, Option("steps of the training", least=1)]`.

    text: one line. least, most: the bounds of a number, above, below: those that it must not reach.
    among: the choices, where there are few.
    """

    text: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    among: tuple[str | int, ...] = ()

    def bounds(self) -> Iterator[tuple[str, float]]:
        """Yield the attribute of BOUNDS and the number of each bound that there is."""
        for name in BOUNDS:
            if (bound := getattr(self, name)) is not None:
                yield name, bound

    def allowed(self) -> str:
        """Return what a value has to be, in words; "" where any will do."""
        if self.among:
            return f"one of {', '.join(map(str, self.among))}"
        return " and ".join(f"{BOUNDS[name][0]} {bound}" for name, bound in self.bounds())

    def help(self) -> str:
        """Return what the command line says of the option."""
        allowed = self.allowed()
        return f"{self.text} ({allowed})" if allowed else self.text

    def check(self, where: str, value: Any) -> None:
        """Refuse a value that is not allowed, or a list that holds one.

        Raises:
            InputError: it is none of the choices, or beyond a bound. It names `where`.
        """
        for one in value if isinstance(value, list) else [value]:
            self._check(where, one)

    def _check(self, where: str, value: Any) -> None:
        if self.among and value not in self.among:
            raise InputError(where, f"{value!r} is unknown", f"Choose {self.allowed()}")
        for name, bound in self.bounds():
            word, holds = BOUNDS[name]
            if not holds(value, bound):  # which is so of NaN
                remedy = f"Set a number {self.allowed()}"
                raise InputError(where, f"{value} is not {word} {bound}", remedy)


class Checked:
    """A dataclass that refuses values which its fields' options do not allow."""

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            InputError: it names the option, as the command line has it.
        """
        for name, (_, option) in described(type(self)).items():
            option.check(f"--{name.replace('_', '-')}", getattr(self, name))


def unfolded(arguments: dict[str, object]) -> dict[str, object]:
    """Return the arguments of a stage by name, a dataclass's fields in its place."""
    found: dict[str, object] = {}
    for name, value in arguments.items():
        if is_dataclass(value):
            found |= {f.name: getattr(value, f.name) for f in fields(value)}
        else:
            found[name] = value
    return found


@cache
def described(kind: type) -> dict[str, tuple[Any, Option]]:
    """Return the type of each field of a dataclass and what is said of it.

    `Annotated[int, "steps of the training"]` is an Option of this text, with no bounds.
    """
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _split(hints[field.name]) for field in fields(kind)}


def _split(hint: Any) -> tuple[Any, Option]:
    own, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    options = [one if isinstance(one, Option) else Option(one) for one in said]
    return own, options[0] if options else Option("")
