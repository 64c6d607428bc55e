"""Effectiveness joined with latency, and the setting of each system that tables 1 and 2 show."""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import of_types, read_csv
from jointir.measure.families import JPQ
from jointir.measure.results import measures_of, shown

RUN = ["dataset", "system", "setting"]
LATENCY = [*RUN, "threads", "batch", "n_docs", "dim", "stage", "median_ms", "p95_ms", "qps"]


def read_latency(path: Path) -> pd.DataFrame:
    """Read latency.csv.

    Raises:
        InputError: a column is missing, or does not hold numbers.
    """
    frame = read_csv(path, keep_default_na=False, dtype=dict.fromkeys([*RUN, "stage"], str))
    missing = [column for column in [*LATENCY, "peak_mb"] if column not in frame.columns]
    if missing:
        raise InputError(path, f"no column {missing[0]!r}", "Rerun the latency stage")
    numbers = [column for column in [*LATENCY, "peak_mb"] if column not in (*RUN, "stage")]
    return of_types(path, frame, **dict.fromkeys(numbers, "numbers"))


def latencies(table: list[Path], out: Path) -> None:
    """Write the latency tables of several datasets as one.

    Raises:
        InputError: a column is missing.
    """
    frame = pd.concat([read_latency(path) for path in table], ignore_index=True)
    with atomic(out) as scratch:
        frame.to_csv(scratch, index=False, lineterminator="\n")


def searches(latency: pd.DataFrame, threads: int = 1, batch: int = 1) -> pd.DataFrame:
    """Return the rows of searching with so many threads and queries at a time."""
    rows = latency[latency["stage"].eq("search")]
    return rows[rows["threads"].eq(threads) & rows["batch"].eq(batch)]


def joined(results: list[Path], meta: list[Path], latency: Path) -> pd.DataFrame:
    """Return the results of the runs in `meta`, with median_ms and qps.

    The two are of one query at a time on one thread.

    Raises:
        InputError: a run is not in the results, or was not timed.
    """
    times = searches(read_latency(latency))[[*RUN, "median_ms", "qps"]]
    rows = shown(results, meta).merge(times, on=RUN, how="left", validate="many_to_one")
    late = rows[rows["qps"].isna()]
    if len(late):
        row = late.iloc[0]
        found = f"{row.system} {row.setting} of {row.dataset} was not timed"
        raise InputError(latency, found, "Rerun the latency stage")
    return rows.reset_index(drop=True)


def chosen(rows: pd.DataFrame, M: int) -> pd.DataFrame:
    """Return dataset, system, setting, one of each system: the settings that tables 1 and 2 show.

    rows: those of `joined`. JPQ's is M sub-quantizers. Of the others it is, as in the paper, one of
    as many bytes a document where there is one; among several, and for systems that do not
    compress, the one with the highest main measure on dev of those as fast as JPQ, else the
    fastest.

    Raises:
        InputError: JPQ was not run with M.
    """
    found = []
    for dataset, own in rows[rows["split"].eq("dev")].groupby("dataset"):
        own = own[own["measure"].eq(measures_of(own)[0])]
        jpq = own[own["system"].eq(JPQ) & own["setting"].eq(f"M={M}")]
        if jpq.empty:
            raise InputError("table1.M", f"{M} is no M of JPQ on {dataset}", "Choose one it has")
        found += [_choose(group, jpq.iloc[0]) for _, group in own.groupby("system")]
    return pd.DataFrame(found, columns=rows.columns)[RUN].reset_index(drop=True)


def _choose(group: pd.DataFrame, jpq: pd.Series) -> pd.Series:
    if jpq["system"] == group["system"].iloc[0]:
        return jpq
    alike = group[group["bytes_per_doc"].eq(jpq["bytes_per_doc"])]
    group = group if alike.empty else alike
    fast = group[group["qps"] >= jpq["qps"]]
    if fast.empty:
        return group.loc[group["qps"].idxmax()]
    return fast.loc[fast["value"].idxmax()]
