"""Queries and judgements of any source: doubles and queries that nobody can ask are left out."""

from collections.abc import Callable

import pandas as pd

from jointir.basics.errors import InputError
from jointir.data.oddities import NO_TEXT, NOT_ASKED, SAME_JUDGEMENT, SAME_QUERY, Oddities
from jointir.data.store import CONTROL, SPLITS

PAIR = ["query_id", "doc_id"]
# what an id must not have; str.split knows all the white space that would break a line
BREAKS: dict[str, Callable[[str], bool]] = {
    "is empty or holds white space": lambda name: name.split() != [name],
    "holds a control character": lambda name: CONTROL.search(name) is not None,
}


def blank(text: pd.Series) -> pd.Series:
    """Say which texts are empty or white space."""
    return text.eq("") | text.str.isspace()


def check_values(frame: pd.DataFrame, place: pd.Series) -> None:
    """Raise InputError for a value that is missing."""
    for column in frame.columns:
        missing = frame.index[frame[column].isna()]
        if len(missing):
            found = f"{column} has no value in row {missing[0]}"
            raise InputError(place[missing[0]], found, "Fill it, a title with empty text")


def check_ids(kind: str, ids: pd.Series, place: pd.Series) -> None:
    """Raise InputError for an id that no line of a run or qrels file can hold."""
    for held, wrong in BREAKS.items():
        bad = ids[ids.map(wrong).astype(bool)]
        if len(bad):
            found = f"{kind} {bad.iloc[0][:80]!r} {held} (row {bad.index[0]})"
            remedy = "Give every record an id that fits TREC files"
            raise InputError(place[bad.index[0]], found, remedy)


def home_splits(qrels: pd.DataFrame) -> dict[str, str]:
    """Return the split of each judged query.

    Raises:
        InputError: a query is judged in two splits; it names both places.
    """
    first = qrels.drop_duplicates("query_id").set_index("query_id")
    home = first["split"].to_dict()
    astray = qrels[qrels["split"].ne(qrels["query_id"].map(home))]
    if len(astray):
        query_id, split, place = astray.iloc[0][["query_id", "split", "place"]]
        found = f"query {query_id!r} is in {home[query_id]!r} and in {split!r}"
        found += f" (first in {first['place'][query_id]})"
        raise InputError(place, found, "Keep each query in one split")
    return home


def without_doubles(
    frame: pd.DataFrame, key: list[str], values: list[str], oddities: Oddities, kind: str
) -> pd.DataFrame:
    """Return the frame without rows that repeat one before them, which are counted as `kind`.

    Raises:
        InputError: a row has the key of one before it, and another value; it names both places.
    """
    doubles = frame[frame.duplicated(key)]
    if doubles.empty:
        return frame
    first = frame.drop_duplicates(key).set_index(key)
    before = first.loc[pd.MultiIndex.from_frame(doubles[key]) if key[1:] else doubles[key[0]]]
    differ = (doubles[values].to_numpy() != before[values].to_numpy()).any(1)
    if differ.any():
        at = differ.argmax()
        _refuse_double(doubles.iloc[at], before.iloc[at], key, values)
    oddities.add_all(kind, doubles)
    return frame.drop_duplicates(key)


def _refuse_double(row: pd.Series, before: pd.Series, key: list[str], values: list[str]) -> None:
    other = {v: (row[v], before[v]) for v in values if row[v] != before[v]}
    name, (here, there) = next(iter(other.items()))
    if key == PAIR:
        found = f"the pair {tuple(row[key])} is judged twice, with {here} and {there}"
        remedy = "Keep one judgement"
    else:
        found = f"{key[0]} {row[key[0]]!r} appears twice, with another {name}"
        remedy = "Make the ids unique"
    raise InputError(row["place"], f"{found} (first in {before['place']})", remedy)


def asked(
    queries: pd.DataFrame, qrels: pd.DataFrame, oddities: Oddities
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the queries that have text, and the judgements of these, nothing twice.

    A judged query that cannot be asked is left out with its judgements, as trec_eval's means leave
    out a query that the run does not hold; with its judgements it would score 0 for every system.

    queries: columns query_id, text, split, place; qrels: query_id, doc_id, relevance, split, place.

    Raises:
        InputError: a value is missing, an id does not fit into a TREC file, an id is given twice
            with other values, or a query is judged in another split than its own.
    """
    for frame, ids in ((queries, ["query_id"]), (qrels, PAIR)):
        check_values(frame.drop(columns="place"), frame["place"])
        for name in ids:
            check_ids(name, frame[name].drop_duplicates(), frame["place"])
    queries = without_doubles(queries, ["query_id"], ["text", "split"], oddities, SAME_QUERY)
    _check_homes(queries, qrels)
    qrels = without_doubles(qrels, PAIR, ["relevance"], oddities, SAME_JUDGEMENT)
    unknown = qrels[~qrels["query_id"].isin(queries["query_id"])]
    oddities.add_all(NOT_ASKED, unknown.drop_duplicates("query_id"))
    empty = queries[blank(queries["text"])]
    oddities.add_all(NO_TEXT, empty)
    queries = queries.drop(empty.index)
    return queries, qrels[qrels["query_id"].isin(queries["query_id"])]


def _check_homes(queries: pd.DataFrame, qrels: pd.DataFrame) -> None:
    judged = home_splits(qrels)
    for query_id, split, place in queries[["query_id", "split", "place"]].itertuples(index=False):
        if judged.get(query_id, split) != split:
            found = f"query {query_id!r} is judged in split {judged[query_id]!r}"
            found += " but belongs to another"
            raise InputError(place, found, "Keep a query and its judgements in one split")


def check_splits(where: object, splits: set[str], relevant: pd.DataFrame) -> None:
    """Raise InputError for a split that is unknown, or that nothing can be measured or learned on.

    relevant: judgements above 0 of documents that are in the corpus; of train, of those with text.
    """
    for split in sorted(splits):
        if split not in SPLITS:
            raise InputError(where, f"split {split!r} is unknown", f"Use one of {SPLITS}")
        if not relevant["split"].eq(split).any():
            found = f"split {split!r} has no relevant document"
            found += " with text in the corpus" if split == "train" else " that is in the corpus"
            raise InputError(where, found, "Add judgements above 0 or drop the split")
