"""Which runs are compared with which: the families of comparisons, each corrected as a whole.

A pair is two lists of positions among rows of one dataset, split and measure: what is compared, and
what it is compared with. Of several positions, seeds of one setting, the mean is compared.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from jointir.basics.errors import InputError

Pair = tuple[list[int], list[int]]  # what is compared, and with what
JPQ = "jpq"
ASI_PLUS = "asi++"
FIGURE4 = "each setting of figure 4 against JPQ of as many bytes a document"
FIGURE7 = "each training of figure 7 against JPQ of as many bytes a document"
STEPS = "each step of JPQ's ablation against the one before, and JPQ against OPQ; means over seeds"
TABLE1 = "each row of table 1 against JPQ's"
TABLE3 = "each row of table 3 against JPQ's"
TABLE5 = "each row of table 5 against JPQ's"
ASI = "each system and decoding of ASI's tables against ASI++ decoded alike; means over seeds"
# Zhan et al., JPQ (CIKM 2021), section 5.3, and what JPQ has here beside it
ABLATION = ["opq", "jpq-neg", "jpq-loss", "jpq-labelled", "jpq"]
WORDS = ["bm25"]  # what table 3 shows beside JPQ
COMPRESSED = [JPQ, "opq", "lsh"]  # of figure 1, and in neither table


def same_bytes(rows: pd.DataFrame) -> list[Pair]:
    """Return each row with the JPQ row of as many bytes a document.

    That is of the same seed where there is one, otherwise JPQ's first. JPQ itself and brute force
    are compared with nothing.

    Raises:
        InputError: two JPQ rows of one seed have equal bytes, so that the choice is not clear.
    """
    keys = list(rows[["system", "bytes_per_doc", "seed"]].itertuples(index=False, name=None))
    known: dict[float, dict[int, int]] = {}
    for at, (system, size, seed) in enumerate(keys):
        if system != JPQ:
            continue
        seeds = known.setdefault(size, {})
        if seed in seeds:
            found = f"two {JPQ} settings with seed {seed} at {size} bytes a document"
            raise InputError("comparisons", found, "Give one of them another system name")
        seeds[seed] = at
    pairs = []
    for at, (system, size, seed) in enumerate(keys):
        seeds = known.get(size, {})
        if seeds and system != JPQ and not system.startswith("brute-force"):
            pairs.append(([at], [seeds.get(seed, seeds[min(seeds)])]))
    return pairs


def steps(rows: pd.DataFrame) -> list[Pair]:
    """Return each step of the ablation with the one before it, and JPQ with OPQ, at each size.

    A size that lacks one of the two is left out.
    """
    pairs = []
    for size in sorted(rows["bytes_per_doc"].unique()):
        alike = rows["bytes_per_doc"].eq(size)
        at = {s: (alike & rows["system"].eq(s)).to_numpy().nonzero()[0].tolist() for s in ABLATION}
        both = [*pairwise(ABLATION), (ABLATION[0], ABLATION[-1])]
        pairs += [(at[step], at[before]) for before, step in both if at[before] and at[step]]
    return pairs


def decoded_alike(rows: pd.DataFrame) -> list[Pair]:
    """Return each other system and setting with ASI++ of the same setting, where it has this."""
    own = rows.reset_index(drop=True).groupby(["system", "setting"], sort=False).groups
    at = {key: list(positions) for key, positions in own.items()}
    pairs = [(key, (ASI_PLUS, key[1])) for key in at if key[0] != ASI_PLUS]
    return [(at[key], at[reference]) for key, reference in pairs if reference in at]


class Table(NamedTuple):
    """What the tables need: JPQ's M, and of table 1 the (dataset, system, setting) of each row."""

    M: int | None = None
    chosen: frozenset[tuple[str, str, str]] = frozenset()


def with_jpq(rows: pd.DataFrame, M: int | None, wanted: pd.Series) -> list[Pair]:
    """Return each row that is `wanted` (bool[S]) with that of JPQ with M sub-quantizers.

    Raises:
        InputError: JPQ was not run with M.
    """
    jpq = (rows["system"].eq(JPQ) & rows["setting"].eq(f"M={M}")).to_numpy()
    if not jpq.any():
        raise InputError("table1.M", f"JPQ was not run with M={M}", "Choose one of its sweep")
    reference = jpq.nonzero()[0].tolist()[:1]
    return [([at], reference) for at in (wanted.to_numpy() & ~jpq).nonzero()[0].tolist()]


def _table1(rows: pd.DataFrame, table: Table) -> list[Pair]:
    keys = rows[["dataset", "system", "setting"]].itertuples(index=False, name=None)
    return with_jpq(rows, table.M, pd.Series([key in table.chosen for key in keys]))


class Family(NamedTuple):
    """What p is corrected over, in words; and the pairs among rows that are alike."""

    words: str
    pairs: Callable[[pd.DataFrame, Table], list[Pair]]


FAMILIES = {  # by the names that the command line knows
    "figure4": Family(FIGURE4, lambda rows, _: same_bytes(rows)),
    "figure7": Family(FIGURE7, lambda rows, _: same_bytes(rows)),
    "steps": Family(STEPS, lambda rows, _: steps(rows)),
    "table1": Family(TABLE1, _table1),
    "table3": Family(
        TABLE3, lambda rows, table: with_jpq(rows, table.M, rows["system"].isin(WORDS))
    ),
    "asi": Family(ASI, lambda rows, _: decoded_alike(rows)),
    "table5": Family(
        TABLE5,
        lambda rows, table: with_jpq(rows, table.M, ~rows["system"].isin([*WORDS, *COMPRESSED])),
    ),
}
