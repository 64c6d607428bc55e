"""Which of apidocs' documents CodeSearchNet can have had, by when their repository was public.

CodeSearchNet (Husain et al. 2019, arXiv:1909.09436, section 2) was collected "from publicly
available open-source non-fork GitHub repositories, using libraries.io to identify all projects
which are used by at least one other project", sorted by popularity; those without a license that
permits redistribution were removed. The paper does not say when. Its annotations name functions of
commits of 29 April 2019, in tensorflow/probability and in Qiskit; the corpus was published in
September 2019.
"""

import csv
import re
from pathlib import Path

from jointir.basics.errors import InputError
from jointir.data.download import read_pins
from jointir.data.store import numbered_lines

PUBLISHED = "2019-09"
POSSIBLE, IMPOSSIBLE = "possible", "impossible"
COLUMNS = ["module", "package", "repository", "since", "why"]
SINCE = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2]))?")


def read_packages(path: Path) -> list[dict[str, str]]:
    """Read a file of packages: a CSV of COLUMNS, one row a top-level module; # begins a comment.

    `since` is YYYY-MM or YYYY, the earliest that the repository can have been public.

    Raises:
        InputError: there is no such file, it has other columns or no row, a line has not as many
            fields, a field but `why` is empty, a `since` is no month, or a module has two rows.
    """
    lines = [(w, _fields(w, line)) for w, line in numbered_lines(path) if line[0] != "#"]
    if len(lines) < 2 or lines[0][1] != COLUMNS:
        found = "its first row is not the columns' names, or its only one"
        raise InputError(path, found, f"Write the columns {', '.join(COLUMNS)}, a module a row")
    rows: dict[str, dict[str, str]] = {}
    for where, values in lines[1:]:
        row = _row(where, values)
        if row["module"] in rows:
            raise InputError(where, f"module {row['module']!r} has two rows", "Keep one of them")
        rows[row["module"]] = row
    return list(rows.values())


def _fields(where: str, line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error as e:  # a carriage return within a line, or a field that is too long
        raise InputError(where, f"is no line of a CSV file ({e})", "Correct it") from e


def _row(where: str, values: list[str]) -> dict[str, str]:
    if len(values) != len(COLUMNS) or not all(values[:-1]):
        found = f"{len(values)} fields, or an empty one"
        raise InputError(where, found, f"Give all of {', '.join(COLUMNS)}; quote a comma")
    row = dict(zip(COLUMNS, values, strict=True))
    if not SINCE.fullmatch(row["since"]):
        found = f"since is {row['since']!r}, which is no month and no year"
        raise InputError(where, found, "Write YYYY-MM, or YYYY where the month is not known")
    return row


def check_packages(path: Path, requirements: Path) -> None:
    """Check a file of packages against the requirements file of the dataset that names it.

    Raises:
        InputError: as `read_packages` and `read_pins` do, or a required package is not listed.
    """
    listed = {_normal(row["package"]) for row in read_packages(path)}
    missing = [pin.name for pin in read_pins(requirements) if _normal(pin.name) not in listed]
    if missing:
        found = f"package {missing[0]!r} of {requirements} is not listed"
        raise InputError(path, found, "Add a row for each of its modules, or set groups to ''")


def _normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def codesearchnet(path: Path) -> dict[str, str]:
    """Return, by top-level module, whether CodeSearchNet can have had its repository.

    Raises:
        InputError: as `read_packages` does.
    """
    # As text "2019" is before "2019-09": a year without its month counts from January.
    return {
        row["module"]: POSSIBLE if row["since"] <= PUBLISHED else IMPOSSIBLE
        for row in read_packages(path)
    }
