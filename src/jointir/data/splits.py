"""Training, development and test queries, assigned by a hash of their ids."""

import hashlib
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.numbers import shown

if TYPE_CHECKING:
    from jointir.data.dataset import Choices


def split_queries(
    queries: pd.DataFrame, qrels: pd.DataFrame, dev: int, test: int, seed: int
) -> pd.Series:
    """Return "train", "dev" or "test" for each row of `queries`, on its index.

    Queries are sorted by the SHA-256 of "seed:query_id": the first `test` are test, the next `dev`
    are dev, the rest train. The order of the rows makes no difference, and a new query moves few of
    the others. A query without a relevant document measures nothing, so it always goes to train.

    Raises:
        InputError: the queries with a relevant document are too few to leave one for training.
    """
    relevant = set(qrels.loc[qrels["relevance"].gt(0), "query_id"])
    drawn = sorted(
        relevant.intersection(queries["query_id"]),
        key=lambda query_id: hashlib.sha256(f"{seed}:{query_id}".encode()).digest(),
    )
    if min(dev, test) < 0 or len(drawn) <= dev + test:
        found = f"{len(drawn)} have a relevant document, too few for dev={shown(dev)}"
        found += f" and test={shown(test)}"
        raise InputError("queries", found, f"Let dev and test add up to less than {len(drawn)}")
    split = dict.fromkeys(drawn[:test], "test") | dict.fromkeys(drawn[test : test + dev], "dev")
    return queries["query_id"].map(lambda query_id: split.get(query_id, "train")).rename("split")


def split_by_group(
    queries: pd.DataFrame, groups: pd.Series, dev: int, test: int, seed: int
) -> pd.Series:
    """Return "train", "dev", "test" or "" for each row of `queries`: no group is in two splits.

    Groups are sorted by the SHA-256 of "seed:group": the first that hold `test` queries together
    are test's, the next that hold `dev` are dev's, the others train's. Of a group that has more
    queries than its split still needs, those that a hash of their ids puts last are in no split.

    groups: the group of each row, on the index of `queries`.

    Raises:
        InputError: no group is left to train on.
    """
    hashed = {g: hashlib.sha256(f"{seed}:{g}".encode()).digest() for g in groups.unique()}
    order = queries["query_id"].map(
        lambda query_id: hashlib.sha256(f"{seed}:{query_id}".encode()).digest()
    )
    split = pd.Series("train", index=queries.index, name="split")
    left = sorted(hashed, key=hashed.__getitem__)
    for name, wanted in (("test", test), ("dev", dev)):
        own: list[str] = []
        while left and groups.isin(own).sum() < wanted:
            own.append(left.pop(0))
        drawn = order[groups.isin(own)].sort_values().index
        split[drawn] = ""
        split[drawn[:wanted]] = name
    if not split.eq("train").any():
        found = f"of {len(hashed)} groups none is left to train on, after dev={shown(dev)}"
        raise InputError("queries", f"{found} and test={shown(test)}", "Lower dev or test")
    return split


def check_dev(dev: float) -> None:
    """Raise InputError where `dev` is neither 0, nor a share of queries, nor a count."""
    if dev and not (0 < dev < 1 or (dev >= 1 and float(dev).is_integer())):
        remedy = "Set a share between 0 and 1, or a whole number of queries"
        raise InputError("splits.dev", f"{dev:g}", remedy)


def read_dev(given: str | float) -> float:
    """Return the share or the number of queries that is given; 0 is none.

    Raises:
        InputError: it is neither, or 1.0, which may be meant as all queries and as one.
    """
    text = str(given)
    try:
        dev = float(text)
    except ValueError as e:
        remedy = "Set a share between 0 and 1, or a whole number of queries"
        raise InputError("splits.dev", f"{text[:80]!r} is no number", remedy) from e
    check_dev(dev)
    if dev == 1 and not text.strip().isdecimal():
        found = f"{text[:80]} may mean one query or all of them"
        raise InputError("splits.dev", found, "Write 1 for one query, or a share below 1")
    return dev


def take_dev(
    queries: pd.DataFrame,
    qrels: pd.DataFrame,
    relevant: pd.DataFrame,
    choices: "Choices",
    where: object,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the three with `choices.dev` of train's queries as dev, drawn as in `split_queries`.

    relevant: the judgements of `qrels` by which a split can be measured. A share is of the queries
    that have one, and at least one query.

    Raises:
        InputError: no such query would be left in train.
    """
    train = queries[queries["split"].eq("train")]
    n = train["query_id"].isin(relevant["query_id"]).sum()
    dev = int(choices.dev) if choices.dev >= 1 else max(1, round(choices.dev * n))
    if dev >= n:
        found = (
            f"{choices.dev:g} of train are {shown(dev)} queries, of {n} with a relevant document"
        )
        raise InputError(where, found, "Set `splits: {dev: ...}` to fewer, or name a dev split")
    drawn = split_queries(train, relevant, dev, 0, choices.seed)
    chosen = set(train.loc[drawn.eq("dev"), "query_id"])
    frames = (queries, qrels, relevant)
    dev_split = [f["split"].mask(f["query_id"].isin(chosen), "dev") for f in frames]
    return tuple(f.assign(split=s) for f, s in zip(frames, dev_split, strict=True))
