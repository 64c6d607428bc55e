"""Each strategy of JPQ's ablation against the one before it, seeds averaged.

Source: Zhan et al., JPQ (CIKM 2021), section 5.3.
"""

from itertools import pairwise
from pathlib import Path

import pandas as pd

from jointir.errors import InputError
from jointir.files import atomic
from jointir.measure.results import load, stacked
from jointir.measure.significance import holm, paired_p
from jointir.readers import of_types, read_csv

STEPS = ["opq", "jpq-neg", "jpq-loss", "jpq"]
PAIRS = [*pairwise(STEPS), (STEPS[0], STEPS[-1])]  # each with the one before, and JPQ with OPQ
FAMILY = ["dataset", "split", "measure"]  # within which Holm corrects
COLUMNS = [*FAMILY, "bytes_per_doc", "before", "step", "seeds"]
COLUMNS += ["value_before", "value", "p", "p_holm"]


def compare_steps(rows: pd.DataFrame, values: list[pd.Series]) -> list[dict]:
    """Return the comparisons of one dataset, split, measure and size, those whose two steps exist.

    rows, values: of `load`. p: two-tailed paired t-test over queries, of means over seeds.
    """
    V = stacked(rows, values)  # (Q, S)
    mean = {s: V[:, rows["system"].eq(s).to_numpy()].mean(axis=1) for s in set(rows["system"])}
    n_seeds = rows.groupby("system")["seed"].nunique()
    return [
        {
            "before": before,
            "step": step,
            "seeds": n_seeds[step],
            "value_before": mean[before].mean(),
            "value": mean[step].mean(),
            "p": paired_p(mean[step], mean[before]),
        }
        for before, step in PAIRS
        if before in mean and step in mean
    ]


def steps(per_query: list[Path], meta: list[Path], out: Path) -> None:
    """Write a CSV (COLUMNS) of each step of the ablation against the one before, at each size.

    The arguments are those of the `results` stage; other systems are left out.

    Raises:
        InputError: lists of different lengths, a run given twice, runs over different queries, or
            no two steps of one size.
    """
    rows, values = load(per_query, meta)
    rows = rows[rows["system"].isin(STEPS)]
    found = []
    for _, own in rows.groupby(["dataset", "split", "rank", "bytes_per_doc"]):
        about = own[[*FAMILY, "bytes_per_doc"]].iloc[0].to_dict()
        found += [about | row for row in compare_steps(own, [values[i] for i in own.index])]
    if not found:
        raise InputError("ablation", "no two of its steps have one size", "Train jpq-neg, jpq-loss")
    table = pd.DataFrame(found)
    table["p_holm"] = table.groupby(FAMILY)["p"].transform(lambda p: holm(p.to_numpy()))
    _write(table, out)


def _write(table: pd.DataFrame, out: Path) -> None:
    table = table[COLUMNS].copy()
    for column in ("value_before", "value"):
        table[column] = table[column].map("{:.6f}".format)
    for column in ("p", "p_holm"):
        table[column] = table[column].map("{:.3g}".format)
    table["bytes_per_doc"] = table["bytes_per_doc"].map("{:.10g}".format)
    with atomic(out) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n")


def read_steps(path: Path) -> pd.DataFrame:
    """Read what `steps` wrote.

    Raises:
        InputError: the table has other columns, or one that does not hold numbers.
    """
    frame = read_csv(path, COLUMNS)
    numbers = ["bytes_per_doc", "seeds", "value_before", "value", "p", "p_holm"]
    return of_types(path, frame, **dict.fromkeys(numbers, "numbers"))
