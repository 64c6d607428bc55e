"""Tables 3 and 5 of JPQ: beside a bag of words, and beside dense and late-interaction retrievers.

Source: Zhan et al., JPQ (CIKM 2021), tables 3 and 5.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from jointir.measure.families import JPQ, TABLE3, TABLE5
from jointir.report.beside_jpq import Numbers, numbers
from jointir.report.formats import Page, write_table
from jointir.report.known import report
from jointir.report.styles import label

TESTED = (
    "Two-tailed paired t-test against JPQ, Holm-corrected over the rows of a measure: JPQ "
    "significantly better (\\*\\* p < 0.01, \\* p < 0.05) or worse († p < 0.05). The queries of "
    "the test split. Index: all its bytes."
)
RELATIVE = (
    "Index and measures are relative to JPQ's, whose row has them in megabytes and as they are."
)


def absolute(row: pd.Series, table: Numbers) -> list[str]:
    """Return a row's cells: megabytes and measures with their marks."""
    cells = [f"{row[m]:.3f}{table.sign(row, m)}" for m in table.measures]
    return [label(row["system"]), row["setting"], f"{row['index_bytes'] / 1e6:.2f}", *cells]


def relative(row: pd.Series, table: Numbers) -> list[str]:
    """Return a row's cells as multiples and per cent of JPQ's, JPQ's own as they are."""
    if row["system"] == JPQ:
        return absolute(row, table)
    size = f"{row['index_bytes'] / table.jpq['index_bytes']:.1f}\u00d7"
    cells = [label(row["system"]), row["setting"], size]
    for m in table.measures:
        change = f"{row[m] / table.jpq[m] - 1:+.1%}" if table.jpq[m] else "-"
        cells.append(f"{change}{table.sign(row, m)}")
    return cells


def _write(
    tables: list[Numbers],
    cells_of: Callable[[pd.Series, Numbers], list[str]],
    note: str,
    out: list[Path],
) -> None:
    pages = []
    for table in tables:
        titles = ["system", "setting", "index MB", *table.measures]
        cells = [cells_of(row, table) for _, row in table.rows.iterrows()]
        pages.append(Page(f"### {table.dataset}, test", titles, cells))
    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    write_table(rows, pages, note, *out)


@report(stage="retrievers", figure="figure1")
def table3(
    results: list[Path],
    meta: list[Path],
    comparisons: Path,
    M: int,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write table 3, JPQ with M sub-quantizers beside BM25, as CSV, Markdown and LaTeX.

    results: tables of the `results` stage. meta: JSON files of the runs of figure 1. comparisons:
    those of the tables, which say what they show.

    Raises:
        InputError: JPQ was not run with M, or a table lacks a run.
    """
    tables = numbers(results, meta, comparisons, TABLE3, M)
    _write(tables, absolute, TESTED, [csv, md, tex])


@report(stage="retrievers", figure="figure1")
def table5(
    results: list[Path],
    meta: list[Path],
    comparisons: Path,
    M: int,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write table 5, dense and late-interaction retrievers relative to JPQ; as `table3`."""
    tables = numbers(results, meta, comparisons, TABLE5, M)
    _write(tables, relative, f"{RELATIVE} {TESTED}", [csv, md, tex])
