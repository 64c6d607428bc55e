"""Every p value: a comparison of two systems over the queries of a split, in a family.

Holm corrects within a family, dataset, split and measure.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.readers import of_types, read_csv
from jointir.measure.families import FAMILIES, Family, Table
from jointir.measure.results import load, stacked
from jointir.measure.significance import holm, paired_p
from jointir.measure.speed import chosen, joined

COLUMNS = ["family", "dataset", "split", "measure", "reference", "reference_setting"]
COLUMNS += ["reference_seeds", "system", "setting", "seeds", "difference", "p", "p_holm"]
WITHIN = ["dataset", "split", "measure"]


def tested(own: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Return the difference of the means over queries (Q,), and the p of a paired t-test."""
    return float(own.mean() - reference.mean()), paired_p(own, reference)


def _side(rows: pd.DataFrame, name: str, setting: str, seeds: str) -> dict[str, str]:
    told = " ".join(map(str, sorted(rows["seed"])))
    return {name: rows["system"].iloc[0], setting: rows["setting"].iloc[0], seeds: told}


def compare_family(
    rows: pd.DataFrame, values: list[pd.Series], family: Family, table: Table
) -> list[dict]:
    """Return the comparisons of one family as rows of COLUMNS; rows, values: of `load`."""
    found = []
    for within, own in rows.groupby(["dataset", "split", "rank", "measure"]):
        V = stacked(own, [values[i] for i in own.index])  # (Q, S)
        about = dict(zip(WITHIN, (within[0], within[1], within[3]), strict=True))
        lines = []
        for at, base in family.pairs(own, table):
            difference, p = tested(V[:, at].mean(axis=1), V[:, base].mean(axis=1))
            line = {"family": family.words, **about, "difference": difference, "p": p}
            line |= _side(own.iloc[base], "reference", "reference_setting", "reference_seeds")
            lines.append(line | _side(own.iloc[at], "system", "setting", "seeds"))
        corrected = holm(np.array([line["p"] for line in lines]))
        found += [line | {"p_holm": p} for line, p in zip(lines, corrected, strict=True)]
    return found


def _table(
    meta: list[Path], M: int | None, results: list[Path] | None, latency: Path | None
) -> Table:
    if M is None or not results or latency is None:
        return Table(M)
    rows = chosen(joined(results, meta, latency), M)
    return Table(M, frozenset(rows.itertuples(index=False, name=None)))


def comparisons(
    family: list[str],
    per_query: list[Path],
    meta: list[Path],
    out: Path,
    M: int | None = None,
    results: list[Path] | None = None,
    latency: Path | None = None,
) -> None:
    """Write the comparisons of one or several families as CSV (COLUMNS).

    A difference is the system's mean less its reference's; p is that of a two-tailed paired t-test
    over queries, and p_holm is p corrected within the family, dataset, split and measure.

    Args:
        family: one of FAMILIES: figure4, figure7, steps, table1, table3, table5 or asi.
        per_query: as for the `results` stage.
        meta: as for the `results` stage.
        out: the CSV file.
        M: sub-quantizers of JPQ's row in a table.
        results: for table1, files of the `results` stage: its settings are chosen on dev.
        latency: for table1, latency.csv: and by their speed.

    Raises:
        InputError: a family is not known, lacks an option or finds no two steps; JPQ was not run
            with M; or what `results` refuses.
    """
    if unknown := set(family) - set(FAMILIES):
        raise InputError("--family", f"{min(unknown)!r}", f"Use {', '.join(FAMILIES)}")
    if "table1" in family and not (results and latency):
        raise InputError("--family", "table1 without times", "Give --results and --latency")
    rows, values = load(per_query, meta)
    table = _table(meta, M, results, latency)
    found = {name: compare_family(rows, values, FAMILIES[name], table) for name in family}
    if found.get("steps") == []:
        raise InputError("ablation", "no two of its steps have one size", "Train jpq-neg, jpq-loss")
    write([line for own in found.values() for line in own], out)


def write(lines: list[dict], out: Path) -> None:
    """Write what `compare` returns as CSV, atomically."""
    table = pd.DataFrame(lines, columns=COLUMNS)
    table["difference"] = table["difference"].map("{:.6f}".format)
    for column in ("p", "p_holm"):
        table[column] = table[column].map("{:.6g}".format)
    with atomic(out) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n")


def read_comparisons(path: Path, family: str) -> pd.DataFrame:
    """Read one family of a file of the `comparisons` stage; the test split alone.

    family: its words, as FIGURE4 of `families`. p may be missing where p_holm alone was kept.

    Raises:
        InputError: it has other columns, or one that does not hold numbers.
    """
    numbers = ["difference", "p", "p_holm"]
    text = dict.fromkeys([c for c in COLUMNS if c not in numbers], str)
    na_values = {"p": [""]}
    frame = read_csv(path, dtype=text, keep_default_na=False, na_values=na_values)
    if list(frame.columns) != COLUMNS:
        found = f"columns {', '.join(frame.columns)}"
        raise InputError(path, found, f"Rerun the stage: expected {', '.join(COLUMNS)}")
    of_types(path, frame, difference="numbers", p="number", p_holm="numbers")
    rows = frame[frame["family"].eq(family) & frame["split"].eq("test")]
    return rows.reset_index(drop=True)
