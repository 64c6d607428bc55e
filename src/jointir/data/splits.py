"""Training, development and test queries, assigned by a hash of their ids."""

import hashlib

import pandas as pd

from jointir.errors import InputError


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
        found = f"{len(drawn)} have a relevant document, too few for dev={dev} and test={test}"
        raise InputError("queries", found, f"Let dev and test add up to less than {len(drawn)}")
    split = dict.fromkeys(drawn[:test], "test") | dict.fromkeys(drawn[test : test + dev], "dev")
    return queries["query_id"].map(lambda query_id: split.get(query_id, "train")).rename("split")
