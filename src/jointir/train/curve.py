"""What a training measured on dev, as a file. No torch: reports read it, too."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from jointir.basics.files import atomic
from jointir.basics.readers import read_csv

COLUMNS = ["step", "measure", "value", "gain", "bound", "losses", "kept"]


def read_curve(path: Path) -> pd.DataFrame:
    """Return what `write_curve` wrote.

    Raises:
        InputError: it is not there, or has other columns.
    """
    return read_csv(path, COLUMNS).fillna({"losses": ""})


def write_curve(rows: Iterable[tuple], out: Path) -> None:
    """Write `Validation.rows` as CSV: step, measure, value, gain, bound, losses, kept.

    measure: the main one. value: its mean over dev. gain, bound, losses: as for `Validation`.
    kept: 0 or 1. Nothing was measured: no row.
    """
    with atomic(out) as scratch:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(scratch, index=False)
