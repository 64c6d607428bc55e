"""The results of results.csv by groups of queries, told apart by their relevant documents."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import read_csv
from jointir.data.packages import IMPOSSIBLE, POSSIBLE, codesearchnet
from jointir.data.store import labelled, read_doc_ids, read_qrels
from jointir.measure.comparisons import tested
from jointir.measure.results import load, stacked
from jointir.measure.significance import bootstrap_interval, holm, means

ALL = "all"  # the grouping of one group, by the same name: all queries of the split
WITH, WITHOUT = "with", "without"
MIXED, NONE = "mixed", "none"  # relevant documents of several groups, and none in the corpus
# each grouping's own groups, in the order that tables have
GROUPINGS = {ALL: [ALL], "train query": [WITH, WITHOUT], "codesearchnet": [POSSIBLE, IMPOSSIBLE]}
COLUMNS = ["dataset", "split", "grouping", "group", "n_queries", "system", "setting", "seed"]
COLUMNS += ["bytes_per_doc", "measure", "value", "low", "high", "against", "difference", "p_holm"]


def order(grouping: str) -> list[str]:
    """Return all groups of a grouping, in the order that tables have."""
    return GROUPINGS[grouping] if grouping == ALL else [*GROUPINGS[grouping], MIXED, NONE]


def query_groups(qrels: pd.DataFrame, group_of: Callable[[str], str]) -> pd.Series:
    """Return the group of each judged query, by query_id.

    It is that of its relevant documents (relevance above 0) where all have the same; otherwise
    MIXED, and NONE where no document is relevant.
    """
    relevant = qrels[qrels["relevance"].gt(0)]
    own = relevant["doc_id"].map(group_of).groupby(relevant["query_id"]).agg(["min", "max"])
    group = own["min"].where(own["min"].eq(own["max"]), MIXED)
    return group.reindex(pd.Index(qrels["query_id"].unique(), name="query_id"), fill_value=NONE)


def of_corpus(qrels: pd.DataFrame, doc_ids: pd.Series) -> pd.DataFrame:
    """Return judgements, those of documents that are not in the corpus as not relevant.

    Nothing can find these: a query that has no other one is in the group NONE.
    """
    there = qrels["doc_id"].isin(doc_ids)
    return qrels.assign(relevance=qrels["relevance"].where(there, 0))


def by_train_query(collection: Path) -> Callable[[str], str]:
    """Return a function that tells of a doc_id whether it is relevant to a train query.

    Raises:
        InputError: the train judgements are not there, or malformed.
    """
    asked = labelled(collection)
    return lambda doc_id: WITH if doc_id in asked else WITHOUT


def by_package(collection: Path, packages: Path) -> Callable[[str], str]:
    """Return a function that tells of a doc_id whether CodeSearchNet can have had its repository.

    A doc_id of apidocs is a qualified name: its first part is the top-level module.

    Raises:
        InputError: `packages` is malformed, or does not list a module of the corpus.
    """
    groups = codesearchnet(packages)
    modules = read_doc_ids(collection).str.split(".").str[0]
    unknown = modules[~modules.isin(groups)]
    if len(unknown):
        found = f"module {unknown.min()!r} of {collection} is not listed"
        raise InputError(packages, found, "Add a row for it")
    return lambda doc_id: groups[doc_id.split(".")[0]]


def compared(rows: pd.DataFrame, starts: dict[str, str]) -> list[tuple[int, int]]:
    """Return the pairs of positions (system, what it is trained from) among rows of one measure.

    starts: the latter by the former. A pair has the same bytes a document; of several seeds the
    same, or else the first.
    """
    known: dict[tuple[str, float], dict[int, int]] = {}
    keys = list(rows[["system", "bytes_per_doc", "seed"]].itertuples(index=False, name=None))
    for at, (system, size, seed) in enumerate(keys):
        known.setdefault((system, size), {}).setdefault(seed, at)
    pairs = []
    for at, (system, size, seed) in enumerate(keys):
        if seeds := known.get((starts.get(system, ""), size)):
            pairs.append((at, seeds.get(seed, seeds[min(seeds)])))
    return pairs


def tabulate(
    rows: pd.DataFrame, V: np.ndarray, starts: dict[str, str], samples: int, seed: int
) -> pd.DataFrame:
    """Return the rows of one measure with the statistics of one group of queries.

    rows: S, of `load`. V: float64[Q, S], the values of the group's queries. starts: what each
    system is trained from, where it is. samples, seed: of the bootstrap. Holm corrects within these
    rows.
    """
    low, high = bootstrap_interval(V, samples, seed)
    rows = rows.assign(n_queries=len(V), value=means(V), low=low, high=high)
    rows = rows.assign(against="", difference=np.nan, p_holm=np.nan)
    pairs = compared(rows, starts)
    told = [tested(V[:, at], V[:, base]) for at, base in pairs]
    p = holm(np.array([p for _, p in told]))
    for (at, base), (difference, _), adjusted in zip(pairs, told, p, strict=True):
        found = [rows["system"].iloc[base], difference, adjusted]
        rows.loc[rows.index[at], ["against", "difference", "p_holm"]] = found
    return rows


def _of_split(
    rows: pd.DataFrame,
    values: list[pd.Series],
    groups: dict[str, pd.Series],
    told: tuple[dict[str, str], int, int],
) -> list[pd.DataFrame]:
    """Return the tables of one dataset and split: each measure, grouping and group.

    told: `starts`, `samples` and `seed`. Measures are in the params' order, the main one first.
    """
    tables = []
    for _, own in rows.groupby("measure", sort=False):
        V = stacked(own, [values[i] for i in own.index])  # (Q, S)
        queries = values[own.index[0]].index
        for grouping, of_query in groups.items():
            unknown = queries.difference(of_query.index)
            if len(unknown):
                found = f"query {unknown[0]!r} has no judgement in the collection"
                raise InputError(own["file"].iloc[0], found, "Rerun the measure stage")
            group = of_query[queries].to_numpy()
            for name in order(grouping):
                if (group == name).any():
                    table = tabulate(own, V[group == name], *told)
                    tables.append(table.assign(grouping=grouping, group=name))
    return tables


def _named(given: list[str], option: str, known: set[str]) -> dict[str, Path]:
    """Return the paths of an option's values "DATASET=PATH", by dataset."""
    found: dict[str, Path] = {}
    for one in given:
        name, _, path = one.partition("=")
        if not path or name in found:
            raise InputError(option, f"{one!r}", "Give each dataset once, as DATASET=PATH")
        if name not in known:
            raise InputError(option, f"no run is of dataset {name!r}", f"Use {sorted(known)}")
        found[name] = Path(path)
    return found


def _starts(given: list[str]) -> dict[str, str]:
    """Return the values "SYSTEM=OTHER" of an option."""
    found = dict(one.partition("=")[::2] for one in given)
    if wrong := [one for one in given if not all(one.partition("="))]:
        raise InputError("start", f"{wrong[0]!r}", "Give it as SYSTEM=OTHER")
    return found


def groups(
    per_query: list[Path],
    meta: list[Path],
    collection: list[str],
    out: Path,
    samples: int,
    seed: int,
    packages: list[str] | None = None,
    start: list[str] | None = None,
) -> None:
    """Write groups.csv: each run's mean, 95% interval and what training changed, by query group.

    The grouping "all" has one group, all queries of the split. "train query" tells whether the
    relevant documents are relevant to a train query too; "codesearchnet", where `packages` are
    given, whether CodeSearchNet can have had their repository. p_holm is of a two-tailed paired
    t-test against what the system is trained from, at the same bytes a document, Holm-corrected
    within (dataset, split, grouping, group, measure).

    Args:
        per_query: as for the `results` stage.
        meta: as for the `results` stage.
        collection: DATASET=FOLDER, for every dataset of the runs.
        out: the CSV file.
        samples: bootstrap resamples.
        seed: of the bootstrap.
        packages: DATASET=FILE, for datasets whose doc_ids begin with a Python module.
        start: SYSTEM=OTHER, what a system is trained from. The p is that of what training changed.

    Raises:
        InputError: a dataset without its collection, a module of the corpus that `packages` does
            not list, a measured query that is not judged, or what `results` refuses.
    """
    rows, values = load(per_query, meta)
    known = set(rows["dataset"])
    folders = _named(collection, "collection", known)
    files = _named(packages or [], "packages", known)
    starts = _starts(start or [])
    if lacking := known - set(folders):
        found = f"dataset {min(lacking)!r} has none"
        raise InputError("collection", found, "Give it as DATASET=FOLDER")
    tables = []
    for dataset, own in rows.groupby("dataset"):
        folder = folders[str(dataset)]
        told = {"train query": by_train_query(folder)}
        doc_ids = read_doc_ids(folder)
        if dataset in files:
            told["codesearchnet"] = by_package(folder, files[str(dataset)])
        for split, part in own.groupby("split"):
            qrels = of_corpus(read_qrels(folder / "qrels" / f"{split}.trec"), doc_ids)
            of_query = {name: query_groups(qrels, group_of) for name, group_of in told.items()}
            of_query[ALL] = pd.Series(ALL, index=of_query["train query"].index)
            tables += _of_split(part, values, of_query, (starts, samples, seed))
    _write(pd.concat(tables), out)


def _write(table: pd.DataFrame, out: Path) -> None:
    table = table[COLUMNS].sort_values(["dataset", "split", "grouping"], kind="stable")
    for column in ("value", "low", "high", "difference"):
        table[column] = table[column].map("{:.6f}".format).replace("nan", "")
    table["p_holm"] = table["p_holm"].map("{:.3g}".format).replace("nan", "")
    table["bytes_per_doc"] = table["bytes_per_doc"].map("{:.10g}".format)
    with atomic(out) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n")


def read_groups(path: Path) -> pd.DataFrame:
    """Read groups.csv; text stays text (an empty setting is ""), an empty statistic is NaN.

    Raises:
        InputError: it has other columns, or a group that its grouping does not have.
    """
    numbers = ["bytes_per_doc", "value", "low", "high", "difference", "p_holm"]
    types = dict.fromkeys(COLUMNS, str) | dict.fromkeys(numbers, float)
    types |= {"n_queries": int, "seed": int}
    na_values = {name: [""] for name in numbers}
    frame = read_csv(path, COLUMNS, dtype=types, keep_default_na=False, na_values=na_values)
    pairs = set(frame[["grouping", "group"]].itertuples(index=False, name=None))
    if unknown := pairs - {(grouping, g) for grouping in GROUPINGS for g in order(grouping)}:
        grouping, group = min(unknown)
        found = f"grouping {grouping!r} with a group {group!r} is not known"
        raise InputError(path, found, "Rerun the groups stage")
    return frame[COLUMNS]
