"""The numbers of a table that shows JPQ and what one family of comparisons sets beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import JPQ
from jointir.measure.results import measures_of, read_meta, shown
from jointir.report.formats import mark
from jointir.report.styles import in_order

RUN = ["dataset", "system", "setting"]


class Numbers(NamedTuple):
    """One dataset's table: a row for each run, JPQ's first.

    rows: RUN, index_bytes, and for each measure its mean on test and "p_holm MEASURE".
    """

    dataset: str
    measures: list[str]
    rows: pd.DataFrame

    @property
    def jpq(self) -> pd.Series:
        """Return JPQ's row."""
        return self.rows.iloc[0]

    def sign(self, row: pd.Series, measure: str) -> str:
        """Return the mark of a row's significance against JPQ."""
        return mark(row[measure] - self.jpq[measure], row[f"p_holm {measure}"])


def runs_of(comparisons: Path, family: str, M: int, datasets: Iterable[str]) -> pd.DataFrame:
    """Return RUN of JPQ with M sub-quantizers and of what a family compares with it, in order."""
    told = read_comparisons(comparisons, family)
    runs = set(told[RUN].itertuples(index=False, name=None))
    order = {system: at for at, system in enumerate(in_order(told["system"]))}
    rows = [
        run
        for dataset in sorted(set(datasets))
        for run in [
            (dataset, JPQ, f"M={M}"),
            *sorted((r for r in runs if r[0] == dataset), key=lambda r: (order[r[1]], r[2])),
        ]
    ]
    return pd.DataFrame(rows, columns=RUN)


def numbers(
    results: list[Path], meta: list[Path], comparisons: Path, family: str, M: int
) -> list[Numbers]:
    """Return the numbers of a table, a dataset after the other.

    results: tables of the `results` stage. meta: JSON files of the runs, which may be more than the
    table shows.

    Raises:
        InputError: a run is not in the results, JPQ was not run with M, or a table is damaged.
    """
    size = {tuple(m[key] for key in RUN): sum(m["bytes"].values()) for m in map(read_meta, meta)}
    values = shown(results, meta)
    values = values[values["split"].eq("test")]
    told = read_comparisons(comparisons, family).set_index([*RUN, "measure"])["p_holm"]
    found = []
    for dataset, rows in runs_of(comparisons, family, M, values["dataset"]).groupby("dataset"):
        runs = list(rows.itertuples(index=False, name=None))
        if lacking := [run for run in runs if run not in size]:
            name = f"{' '.join(lacking[0][1:])} of {dataset}"
            raise InputError("table1.M", f"{name} was not run", "Choose an M of JPQ's sweep")
        own = values[values["dataset"].eq(dataset)]
        measures = measures_of(own)
        mean = own.set_index([*RUN, "measure"])["value"]
        rows = rows.assign(index_bytes=[size[run] for run in runs]).reset_index(drop=True)
        for measure in measures:
            rows[measure] = [mean[(*run, measure)] for run in runs]
            rows[f"p_holm {measure}"] = [told.get((*run, measure), np.nan) for run in runs]
        found.append(Numbers(str(dataset), measures, rows))
    return found
