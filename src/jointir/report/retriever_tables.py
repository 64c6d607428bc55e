"""Tables 3 and 5 of JPQ: beside a bag of words, and beside dense and late-interaction retrievers.

Source: Zhan et al., JPQ (CIKM 2021), tables 3 and 5.
"""

from pathlib import Path

import pandas as pd

from jointir.errors import InputError
from jointir.files import atomic
from jointir.measure.results import REFERENCE, read_meta
from jointir.report.figure1 import KEY, STAR
from jointir.report.formats import latex, markdown, write_lines
from jointir.report.speed_tables import measured, per_query_values, significance
from jointir.report.tables import human, mark

TABLE3 = ["bm25"]
TABLE5 = ["rand-neg", "bm25-neg", "ance", "tct-colbert", "brute-force", "adore", "colbert"]
TESTED = (
    "Two-tailed paired t-test against JPQ, Holm-corrected over the rows of a measure: JPQ "
    "significantly better (\\*\\* p < 0.01, \\* p < 0.05) or worse († p < 0.05). The queries of "
    "the test split. Index: all its bytes."
)
RELATIVE = (
    "Index and measures are relative to JPQ's, whose row has them in megabytes and as they are."
)


def rows_of(
    values: dict[tuple, pd.DataFrame], total: dict[tuple, int], systems: list[str], M: int
) -> pd.DataFrame:
    """Return JPQ with M sub-quantizers, then `systems`, a dataset after the other.

    values: {(dataset, system, setting): values[query_id, measure]}; total: the index bytes of each.
    Columns: KEY, index_bytes, and for each measure its mean and "p_holm MEASURE".

    Raises:
        InputError: JPQ was not run with M.
    """
    parts = []
    for dataset in sorted({key[0] for key in values}):
        reference = (dataset, REFERENCE, f"M={M}")
        if reference not in values:
            raise InputError("table1.M", f"JPQ was not run with M={M}", "Choose one of its sweep")
        others = [key for system in systems for key in values if key[:2] == (dataset, system)]
        keys = [reference, *others]
        own = pd.DataFrame(keys, columns=KEY).assign(index_bytes=[total[key] for key in keys])
        p = significance([values[key] for key in keys], values[reference])
        for measure in values[reference]:
            own[measure] = [values[key][measure].mean() for key in keys]
            own[f"p_holm {measure}"] = p[measure]
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def _name(row: pd.Series) -> str:
    return STAR.get(row["system"], human(row["system"]))


def absolute(row: pd.Series, jpq: pd.Series, measures: list[str]) -> list[str]:
    """Return a row's cells: megabytes and measures with their marks."""
    cells = [f"{row[m]:.3f}{mark(row[m], jpq[m], row[f'p_holm {m}'])}" for m in measures]
    return [_name(row), row["setting"], f"{row['index_bytes'] / 1e6:.2f}", *cells]


def relative(row: pd.Series, jpq: pd.Series, measures: list[str]) -> list[str]:
    """Return a row's cells as multiples and per cent of JPQ's, JPQ's own as they are."""
    if row["system"] == REFERENCE:
        return absolute(row, jpq, measures)
    cells = [_name(row), row["setting"], f"{row['index_bytes'] / jpq['index_bytes']:.1f}\u00d7"]
    for m in measures:
        change = f"{row[m] / jpq[m] - 1:+.1%}" if jpq[m] else "-"
        cells.append(f"{change}{mark(row[m], jpq[m], row[f'p_holm {m}'])}")
    return cells


def _table(systems, cells_of, notes, per_query, meta, M, csv, md, tex) -> None:
    values = per_query_values(per_query, meta)
    total = {tuple(m[key] for key in KEY): sum(m["bytes"].values()) for m in map(read_meta, meta)}
    table = rows_of(values, total, systems, M)
    lines, tex_lines = [], []
    for dataset, own in table.groupby("dataset"):
        measures = measured(values, dataset)
        titles = ["system", "setting", "index MB", *measures]
        cells = [cells_of(row, own.iloc[0], measures) for _, row in own.iterrows()]
        lines += [f"### {dataset}, test", "", *markdown(titles, cells), ""]
        tex_lines += latex(titles, cells)
    with atomic(csv) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n", float_format="%.6g")
    write_lines([*lines, notes], md)
    write_lines(tex_lines, tex)


def table3(per_query: list[Path], meta: list[Path], M: int, csv: Path, md: Path, tex: Path) -> None:
    """Write table 3, JPQ with M sub-quantizers beside BM25, as CSV, Markdown and LaTeX.

    per_query, meta: in parallel, of the test split; systems of other tables are passed over.

    Raises:
        InputError: JPQ was not run with M, or runs are over different queries.
    """
    _table(TABLE3, absolute, TESTED, per_query, meta, M, csv, md, tex)


def table5(per_query: list[Path], meta: list[Path], M: int, csv: Path, md: Path, tex: Path) -> None:
    """Write table 5, dense and late-interaction retrievers relative to JPQ; as `table3`."""
    _table(TABLE5, relative, f"{RELATIVE} {TESTED}", per_query, meta, M, csv, md, tex)
