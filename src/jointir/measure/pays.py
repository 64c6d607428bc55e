"""Whether JPQ pays: is it better than the OPQ that it starts from, at the same bytes a document?"""

from typing import NamedTuple

import pandas as pd

from jointir.measure.results import measures_of

PAYS, LEVEL, WORSE = "pays", "level", "worse"
ALPHA = 0.05


class Verdict(NamedTuple):
    """What training changed at one size: a word, and the measures that it made worse."""

    word: str
    worse: tuple[str, ...]


def verdict(rows: pd.DataFrame, main: str) -> Verdict:
    """Return the verdict on one size from its rows of groups.csv: one a measure (and seed).

    WORSE: significantly worse in a measure. PAYS: not so, and significantly better in `main`, with
    every seed. LEVEL: neither.
    """
    significant = rows["p_holm"].lt(ALPHA)
    worse = rows["measure"][significant & rows["difference"].lt(0)]
    better = (significant & rows["difference"].gt(0))[rows["measure"].eq(main)]
    word = PAYS if len(better) and better.all() else LEVEL
    return Verdict(WORSE if len(worse) else word, tuple(worse.unique()))


def verdicts(rows: pd.DataFrame, system: str) -> dict[float, Verdict]:
    """Return the verdict on each size of a system, by bytes a document, the smallest first.

    rows: of groups.csv, of one dataset, split and group of queries. A size without a start to
    compare with is left out.
    """
    if rows.empty:
        return {}
    main = measures_of(rows)[0]
    own = rows[rows["system"].eq(system) & rows["against"].ne("")]
    return {float(size): verdict(of, main) for size, of in own.groupby("bytes_per_doc")}
