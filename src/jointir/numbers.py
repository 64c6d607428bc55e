"""Numbers that YAML 1.1 takes for text, such as the 1e-05 that DVC writes."""

import re

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # RFC 8259


def as_number(value: object) -> object:
    """Return text that is a number in JSON's grammar as that number, anything else as it is.

    A whole number is an int, however it is written: 1e3 is 1000.
    """
    if not isinstance(value, str) or not JSON_NUMBER.fullmatch(value):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number
