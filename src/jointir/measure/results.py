"""One tidy table from the per-query values of systems: each mean with its interval."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, read_json
from jointir.basics.readers import of_types, read_csv, read_parquet
from jointir.data.measures import reported
from jointir.measure.significance import bootstrap_interval, means

META = ["dataset", "system", "setting", "seed", "bytes_per_doc"]
KINDS = {"dataset": str, "system": str, "setting": str, "seed": int, "bytes_per_doc": int | float}
KINDS |= {"n_docs": int, "dim": int, "bytes": dict}  # of what `read_meta` reads
RUN = ["dataset", "split", "system", "setting", "seed", "bytes_per_doc"]
COLUMNS = [*RUN, "measure", "value", "low", "high"]
KEY = ["dataset", "system", "setting", "seed"]  # what tells one run from another
ORDER = ["dataset", "split", "system", "bytes_per_doc", "rank", "setting", "seed"]
VALUES = ["query_id", "measure", "value"]  # of a per-query file


def read_meta(path: Path) -> dict:
    """Read the JSON beside a system's run: META, n_docs, dim, and bytes by part of the index.

    Raises:
        InputError: a key is missing, or its value is of another type.
    """
    meta = read_json(path)
    for key, kind in KINDS.items():
        if key not in meta:
            raise InputError(path, f"{key!r} is missing", "Rerun the stage that wrote it")
        wrong = not isinstance(meta[key], kind) or isinstance(meta[key], bool)
        if key == "bytes" and not wrong:
            wrong = not all(type(size) in (int, float) for size in meta[key].values())
        if wrong:
            raise InputError(path, f"{key!r} is {meta[key]!r}", "Rerun the stage that wrote it")
    return meta


def read_results(paths: list[Path]) -> pd.DataFrame:
    """Read files of the `results` stage as one; text stays text (an empty setting is "").

    Raises:
        InputError: no files; one has other columns, or one that does not hold numbers; two hold one
            run; or two have other measures of one dataset and split.
    """
    if not paths:
        raise InputError("results", "no files", "Give at least one --results")
    parts = [_read_one(path).assign(file=str(path)) for path in paths]
    rows = pd.concat(parts, ignore_index=True)
    check_once(rows)
    _check_measures(rows)
    own = rows.groupby(["dataset", "split"])["measure"]
    rows["rank"] = own.transform(lambda m: pd.factorize(m)[0])  # their order in the files
    return rows.sort_values(ORDER, ignore_index=True)[COLUMNS]


def _read_one(path: Path) -> pd.DataFrame:
    text = dict.fromkeys(["dataset", "split", "system", "setting", "measure"], str)
    na_values = {"bytes_per_doc": [""], "low": [""], "high": [""]}
    frame = read_csv(path, dtype=text, keep_default_na=False, na_values=na_values)
    if list(frame.columns) != COLUMNS:
        found = f"columns {', '.join(frame.columns)}"
        raise InputError(path, found, f"Rerun the results stage: expected {', '.join(COLUMNS)}")
    told = dict.fromkeys(["seed", "bytes_per_doc", "value"], "numbers")
    return of_types(path, frame, **told, **dict.fromkeys(["low", "high"], "number"))


def shown(results: list[Path], meta: list[Path]) -> pd.DataFrame:
    """Return the rows of the runs that `meta` names; `results` may hold others.

    meta: JSON files beside runs: what a figure or table shows.

    Raises:
        InputError: a run is not in the results, or what `read_results` refuses.
    """
    rows = read_results(results)
    wanted = {
        tuple(about[key] for key in KEY): path for path in meta for about in [read_meta(path)]
    }
    keys = list(rows[KEY].itertuples(index=False, name=None))
    if lacking := set(wanted) - set(keys):
        dataset, system, setting, seed = min(lacking)
        found = f"{system} {setting} seed {seed} of {dataset} is in none of the results"
        remedy = "Give the file that holds it with --results"
        raise InputError(wanted[dataset, system, setting, seed], found, remedy)
    return rows[[key in wanted for key in keys]].reset_index(drop=True)


def measures_of(rows: pd.DataFrame) -> list[str]:
    """Return the measures of some rows of one dataset and split, in the params' order.

    The first is the dataset's main measure: by it settings are chosen and systems compared.
    """
    return rows["measure"].unique().tolist()


def wide(values: pd.DataFrame, path: object) -> pd.DataFrame:
    """Return per-query values as query_id by measure, measures in the order of the file `path`.

    Raises:
        InputError: a query has no value of a measure, or two.
    """
    remedy = "Delete it and rerun the stage that writes it"
    if values.duplicated(["query_id", "measure"]).any():
        raise InputError(path, "a query has two values of one measure", remedy)
    table = values.pivot(index="query_id", columns="measure", values="value")
    if table.empty or table.isna().to_numpy().any():
        raise InputError(path, "a query lacks a value of a measure", remedy)
    return table[values["measure"].unique()]


def read_values(path: Path) -> pd.DataFrame:
    """Read a file of the `measure` stage, as `wide` has it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    frame = read_parquet(path, VALUES)
    return wide(of_types(path, frame, query_id="text", measure="text", value="numbers"), path)


def load(per_query: list[Path], meta: list[Path]) -> tuple[pd.DataFrame, list[pd.Series]]:
    """Return one row a (file, measure) without statistics, and each row's values by query_id.

    Rows have the place of their measure among the params' ones, too, as `rank`. The arguments are
    those of `results`.

    Raises:
        InputError: lists of different lengths, a run given twice, a damaged file, or files of one
            dataset and split with different measures.
    """
    if not per_query or len(per_query) != len(meta):
        found = f"{len(per_query)} per-query files but {len(meta)} meta files"
        raise InputError("results", found, "Give one meta file for each per-query file")
    rows, values = [], []
    for file, meta_file in zip(per_query, meta, strict=True):
        stored = read_meta(meta_file)
        about = {key: stored[key] for key in META} | {"split": file.stem, "file": file}
        table = read_values(file)
        for rank, name in enumerate(table):
            rows.append(about | {"measure": reported(name), "rank": rank})
            values.append(table[name])
    frame = pd.DataFrame(rows)
    check_once(frame)
    _check_measures(frame)
    frame = frame.sort_values(ORDER)
    return frame.reset_index(drop=True), [values[i] for i in frame.index]


def check_once(rows: pd.DataFrame) -> None:
    """Check that no run stands twice among rows of RUN, measure and file.

    Raises:
        InputError: one does, by its second file.
    """
    twice = rows[rows.duplicated([*RUN, "measure"])]
    if len(twice):
        row = twice.iloc[0]
        found = f"{row.system} {row.setting} seed {row.seed} was already given for {row.split}"
        raise InputError(row.file, found, "Give each system, setting and seed once")


def _check_measures(rows: pd.DataFrame) -> None:
    for _, group in rows.groupby(["dataset", "split"]):
        own = group.groupby("file", sort=False)["measure"].unique().map(list)
        first = own.index[0]
        for file, measures in own.items():
            if measures != own[first]:
                found = f"its measures {measures} are not those of {first}, {own[first]}"
                remedy = "Measure all systems with the same measures, in one order"
                raise InputError(file, found, remedy)


def stacked(rows: pd.DataFrame, values: list[pd.Series]) -> np.ndarray:
    """Return float64[Q, S], the values of S rows of `load`.

    Raises:
        InputError: they are not of the same queries.
    """
    queries = values[0].index
    for file, column in zip(rows["file"], values, strict=True):
        if not column.index.equals(queries):
            found = f"its queries differ from those of {rows['file'].iloc[0]}"
            raise InputError(file, found, "Measure all systems with the same qrels")
    return np.stack([column.to_numpy(dtype=np.float64) for column in values], axis=1)


def tabulate(rows: pd.DataFrame, values: list[pd.Series], samples: int, seed: int) -> pd.DataFrame:
    """Return the rows with value, low and high; each depends on the row's own values alone."""
    rows = rows.copy()
    rows[["value", "low", "high"]] = np.nan
    for _, group in rows.groupby(["dataset", "split", "measure"]):
        V = stacked(group, [values[i] for i in group.index])  # (Q, S)
        rows.loc[group.index, "value"] = means(V)
        low, high = bootstrap_interval(V, samples, seed)
        rows.loc[group.index, "low"], rows.loc[group.index, "high"] = low, high
    return rows[COLUMNS]


def results(per_query: list[Path], meta: list[Path], out: Path, samples: int, seed: int) -> None:
    """Write the mean of every run and its 95% bootstrap interval as CSV.

    Args:
        per_query: parquet files of the measure stage, one for each system, setting and split; a
            file's stem is its split.
        meta: as many JSON files, in parallel; one may be repeated for several splits.
        out: the CSV file.
        samples: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        InputError: lists of different lengths, a run given twice, or runs over different queries.
    """
    write(tabulate(*load(per_query, meta), samples, seed), out)


def write(frame: pd.DataFrame, out: Path) -> None:
    """Write what `tabulate` returns as CSV, atomically."""
    for column in ("value", "low", "high"):
        frame[column] = frame[column].map("{:.6f}".format)
    frame["bytes_per_doc"] = frame["bytes_per_doc"].map("{:.10g}".format)
    with atomic(out) as scratch:
        frame.to_csv(scratch, index=False, lineterminator="\n")
