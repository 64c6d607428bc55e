"""The `cold-start` stage: documents that training did not see (ASI++, table 3)."""

from pathlib import Path

import numpy as np

from jointir.basics.files import atomic
from jointir.basics.readers import read_parquet
from jointir.data.store import read_qrels
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import keys
from jointir.measure.expectation import VALUES

CATEGORIES = ("existing", "new content", "new semantic")


def categories(identifiers: list[str], seen: np.ndarray) -> np.ndarray:
    """Return the category of each of N documents.

    identifiers: of all documents; seen: int64[n], the rows that training saw. A document that it
    did not see is "new content" when a seen one has its identifier, else "new semantic".
    """
    known = {identifiers[row] for row in seen}
    found = np.array([CATEGORIES[1] if i in known else CATEGORIES[2] for i in identifiers], object)
    found[seen] = CATEGORIES[0]
    return found


def cold_start(
    ids: Path, qrels: Path, per_query: Path, out: Path, holdout: float, seed: int
) -> None:
    """Write category, measure, value, queries as CSV.

    A query belongs to the category of its relevant documents; one whose documents are of several is
    left out. Test split, free decoding. per_query: a file of `measure-ids`; holdout, seed: those of
    the training.
    """
    documents = read_parquet(ids, ["doc_id"])
    seen = seen_documents(len(documents), holdout, seed)
    of_doc = dict(zip(documents["doc_id"], categories(keys(documents), seen), strict=True))
    judged = read_qrels(qrels)
    judged = judged[judged["relevance"] > 0]
    judged["category"] = judged["doc_id"].map(of_doc)
    judged = judged.dropna(subset="category")  # documents that are not in the corpus
    groups = judged.groupby("query_id")["category"].agg(set)
    single = {query: next(iter(found)) for query, found in groups.items() if len(found) == 1}
    values = read_parquet(per_query, VALUES)
    values = values[values["split"].eq("test") & values["decoding"].eq("free")].copy()
    values["category"] = values["query_id"].map(single)
    table = values.groupby(["category", "measure"], as_index=False)["value"].agg(["mean", "size"])
    table = table.rename(columns={"mean": "value", "size": "queries"})
    with atomic(out) as scratch:
        table.to_csv(scratch, index=False, float_format="%.10g")
