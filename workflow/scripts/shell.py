"""Options of a command as the shell reads them, and regular expressions of wildcards."""

import re
from collections.abc import Iterable, Mapping
from shlex import quote


def any_of(names: Iterable[str]) -> str:
    """Return the regular expression of exactly these names; of none, one that nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


def repeat(option: str, values: Iterable[object]) -> str:
    """Return --option value for each value."""
    return " ".join(f"--{option} {quote(str(v))}" for v in values)


def options(settings: Mapping[str, object]) -> str:
    """Return --name value for each setting; --name or --no-name for what is on or off.

    Of a list, each of its values. A setting that is null is left out: the stage's own choice.

    Sorted: an overlay's keys come first, and another order would be other params to Snakemake.
    """
    given = {k.replace("_", "-"): v for k, v in sorted(settings.items()) if v is not None}
    return " ".join(
        f"--{'' if v else 'no-'}{k}"
        if isinstance(v, bool)
        else repeat(k, v if isinstance(v, list) else [v])
        for k, v in given.items()
    )
