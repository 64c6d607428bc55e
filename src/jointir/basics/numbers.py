"""Numbers that users give: read where YAML 1.1 has text, and refused where nothing takes them."""

import math
import re
from decimal import Decimal

from jointir.basics.errors import InputError

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # RFC 8259
LARGEST = 2**63 - 1  # that torch, NumPy and Arrow take for an integer
LARGEST_SEED = 2**31 - 1  # that faiss takes; NumPy takes none below 0


def as_number(value: object) -> object:
    """Return text that is a number in JSON's grammar as that number, anything else as it is.

    YAML takes some for text, such as the 1e-05 that DVC writes. A whole number is an int, however
    it is written: 1e3 is 1000.
    """
    if not isinstance(value, str) or not JSON_NUMBER.fullmatch(value):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number


def shown(number: float) -> str:
    """Return a number as a message shows it: a long one with a few digits and an exponent."""
    if isinstance(number, int):
        return str(number) if abs(number) < 10**12 else f"{Decimal(number):.3g}"
    return f"{number:g}"


def check_number(where: str, value: object) -> None:
    """Refuse NaN, an infinity, and an integer of more than 64 bits; anything else passes.

    where: the parameter or the option.

    Raises:
        InputError: it is one of them.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(where, f"{value} is not a finite number", "Give a finite number")
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        found = f"{shown(value)} is more than any stage can take"
        raise InputError(where, found, f"Give a number from -{LARGEST} to {LARGEST}")


def check_seed(where: str, value: object) -> None:
    """Refuse a seed that some library does not take.

    Raises:
        InputError: it is below 0 or above LARGEST_SEED.
    """
    if isinstance(value, int) and not 0 <= value <= LARGEST_SEED:
        found = f"{shown(value)} is no seed that every library takes"
        raise InputError(where, found, f"Give a number from 0 to {LARGEST_SEED}")


def check_finite(config: object, where: str = "") -> None:
    """Refuse params with a number that `check_number` refuses; a schema cannot say it.

    config: nested dicts and lists. where: the path to it, with dots.

    Raises:
        InputError: it names the parameter, as in systems.star.lr or sweep.M[0].
    """
    if isinstance(config, dict):
        for key, value in config.items():
            check_finite(value, f"{where}.{key}" if where else str(key))
    elif isinstance(config, list | tuple):
        for at, value in enumerate(config):
            check_finite(value, f"{where}[{at}]")
    else:
        check_number(where, config)
