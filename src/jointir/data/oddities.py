"""What a source has that needs no mending by its user: counted by kind, told in one line each."""

import pandas as pd

from jointir.basics.progress import say

INTEGER = "ids that are JSON integers, read as their decimal text"
EMPTY = "documents without text, kept, but relevant to no query of a training"
SAME_DOCUMENT = "documents that repeat one before them, left out"
SAME_QUERY = "queries that repeat one before them, left out"
SAME_JUDGEMENT = "judgements that repeat one before them, left out"
NOT_IN_CORPUS = "judgements of documents that are not in the corpus, kept: nothing finds those"
NOTHING_TO_FIND = (
    "dev and test queries without a relevant document that can be found, kept as trec_eval keeps"
    " them: each scores 0 in a mean"
)
NOT_ASKED = "judged queries that are not among the queries, left out with their judgements"
NO_TEXT = "judged queries without text, left out with their judgements"
SAME_ID = (
    "queries whose id is a document's: where both are the same texts, set drop_identical_ids: true"
)
NOT_READ = "files of judgements that are of no split, not read"


class Oddities:
    """How many there are of each kind, and where the first is."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, place: str, n: int = 1) -> None:
        """Count `n` more of a kind, the first of them at `place`."""
        count, first = self.found.get(kind, (0, place))
        self.found[kind] = (count + n, first)

    def add_all(self, kind: str, rows: pd.DataFrame) -> None:
        """Count the rows of a frame with the column place; there may be none."""
        if len(rows):
            self.add(kind, rows["place"].iloc[0], len(rows))

    def tell(self) -> None:
        """Print a line for each kind."""
        for kind, (count, first) in self.found.items():
            say(f"{first} (first of {count}): {kind}")
