"""A table as CSV of its numbers, and of text cells as Markdown and as LaTeX; files of text."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic

LATEX = {c: rf"\{c}" for c in "&%_#${}"} | {"\u00d7": r"$\times$", "†": r"\dag{}"}
LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def markdown(titles: list[str], rows: list[list[str]], text_columns: int = 2) -> list[str]:
    """Return the lines of a Markdown table; columns after the first `text_columns` end right."""
    align = ["---"] * text_columns + ["---:"] * (len(titles) - text_columns)
    cells = [titles, align, *([cell.replace("*", "\\*") for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def latex(titles: list[str], rows: list[list[str]], text_columns: int = 2) -> list[str]:
    """Return the lines of a LaTeX tabular (booktabs)."""
    columns = "l" * text_columns + "r" * (len(titles) - text_columns)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [_latex_row(titles), r"\midrule", *map(_latex_row, rows)]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _latex_row(cells: list[str]) -> str:
    return " & ".join("".join(LATEX.get(c, c) for c in cell) for cell in cells) + r" \\"


class Page(NamedTuple):
    """A part of a table: its heading in Markdown, the columns' titles, and rows of text cells."""

    heading: str
    titles: list[str]
    rows: list[list[str]]

    def lines(self, text_columns: int = 2) -> list[str]:
        """Return the page in Markdown; columns after the first `text_columns` end right."""
        return [self.heading, "", *markdown(self.titles, self.rows, text_columns), ""]


def write_table(
    numbers: pd.DataFrame, pages: list[Page], note: str, csv: Path, md: Path, tex: Path
) -> None:
    """Write a table atomically: its numbers as CSV, its pages as Markdown and LaTeX.

    note: what ends the Markdown.
    """
    with atomic(csv) as scratch:
        numbers.to_csv(scratch, index=False, lineterminator="\n", float_format="%.6g")
    write_lines([*(line for page in pages for line in page.lines()), note], md)
    write_lines([line for page in pages for line in latex(page.titles, page.rows)], tex)


def mark(difference: float, p: float) -> str:
    """Return the sign of a system's significance against its reference; nothing from p = 0.05 on.

    ** (p < 0.01) or * where it is worse than its reference, and † where it is better.
    """
    if not p < 0.05:
        return ""
    if difference < 0:
        return "**" if p < 0.01 else "*"
    return "†"


def write_lines(lines: list[str], out: Path) -> None:
    """Write lines of text atomically."""
    with atomic(out) as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_text(path: Path) -> str:
    """Read a text that a stage wrote.

    Raises:
        InputError: the file is not there, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise InputError(path, "there is no such file", "Run the stage that writes it") from e
    except UnicodeDecodeError as e:
        remedy = "Delete it and rerun the stage that writes it"
        raise InputError(path, f"not UTF-8 ({e})", remedy) from e
