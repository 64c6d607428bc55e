"""The tables of ASI++ (Liu et al. 2024) from this project's runs: 1, 3 and 4."""

from pathlib import Path

import pandas as pd

from jointir.errors import InputError
from jointir.measure.cold_start import CATEGORIES
from jointir.measure.identifiers import COLUMNS
from jointir.readers import of_types, read_csv, read_parquet
from jointir.report.formats import Page, write_lines
from jointir.report.styles import in_order, label

NUMBERS = {  # of the identifiers, and with how many digits
    "unique ids": 0,
    "documents an id, mean": 2,
    "documents an id, max": 0,
    "alone": 3,
    "empty share": 8,
    "parameters": 0,
    "ms a query": 1,
}
READINGS = ("correct id", "expectation")
NOTE = (
    "{corpus}Test split; mean over {seeds} seed(s), ± standard deviation; without ±, one seed. "
    "*Correct id*: a document counts as found where its identifier was generated, however many "
    "share it. *Expectation*: those that share an identifier are retrieved in random order; the "
    "mean over that order, computed exactly. It is the reading that counts."
)

ALONE = "*alone*: the share of documents whose identifier no other document has."
COLD = (
    "A share of the documents, with their queries, was kept from training ({seeds} seed(s)); their "
    "identifiers come from the indexing module, without retraining. *existing*: seen in training; "
    "*new content*: not seen, but with the identifier of a seen one; *new semantic*: not seen, and "
    "with an identifier that no seen one has."
)


def cell(values: pd.Series, digits: int = 3) -> str:
    """Return mean ± standard deviation over seeds, or the one value, or a dash."""
    if values.empty:
        return "-"
    text = f"{values.mean():,.{digits}f}"
    return text + (f" ± {values.std():,.{digits}f}" if len(values) > 1 else "")


def pick(rows: pd.DataFrame, system: str, measure: str, decoding: str = "free") -> pd.Series:
    """Return one value for each seed: of a test measure, or of a number about identifiers."""
    own = rows[rows["system"].eq(system) & rows["measure"].eq(measure)]
    return own[own["setting"].eq(decoding) & own["split"].isin(["", "test"])]["value"]


def read_asi(results: Path) -> pd.DataFrame:
    """Read asi.csv.

    Raises:
        InputError: it holds no test rows.
    """
    rows = read_csv(results, COLUMNS, keep_default_na=False)
    rows["value"] = pd.to_numeric(rows["value"], errors="coerce")
    of_types(results, rows, value="numbers")
    if not rows["split"].eq("test").any():
        raise InputError(results, "holds no test rows", "Make it with `jointir asi-results`")
    return rows


def corpus(rows: pd.DataFrame) -> str:
    """Return what was searched, as a sentence."""
    first = rows[rows["system"].eq(rows["system"].iloc[0])]
    unique, share = (pick(first, first["system"].iloc[0], m).iloc[0] for m in list(NUMBERS)[:2])
    return f"Dataset {rows['dataset'].iloc[0]}, {unique * share:,.0f} documents. "


def _effectiveness(rows: pd.DataFrame, systems: list[str]) -> list[list[str]]:
    body = []
    for system in systems:
        for reading in READINGS:
            for decoding in ("free", "constrained"):
                values = [
                    pick(rows, system, f"{m} {reading}", decoding)
                    for m in ("R@1", "R@5", "R@10", "RR@10")
                ]
                if not values[0].empty:
                    kind = f"{reading}, {'prefix tree' if decoding != 'free' else 'free'}"
                    body.append([label(system), kind, *map(cell, values)])
    return body


def baselines(measures: list[Path]) -> list[list[str]]:
    """Return rows of systems that rank documents, from `measure` files {system}/{split}.parquet."""
    body = []
    for path in measures:
        values = read_parquet(path, ["measure", "value"]).groupby("measure")["value"].mean()
        shown = [f"{values[m]:.3f}" for m in ("R@1", "R@5", "R@10", "RR@10")]
        body.append([label(path.parent.name), "documents", *shown])
    return body


def use_of_space(rows: pd.DataFrame, systems: list[str]) -> Page:
    """Return the table of what each model's identifiers are like."""
    body = [
        [label(s), *(cell(pick(rows, s, name), digits) for name, digits in NUMBERS.items())]
        for s in systems
    ]
    return Page("## The identifiers", ["system", *NUMBERS], body)


def entropies(rows: pd.DataFrame, systems: list[str]) -> Page:
    """Return the table of how evenly each position's tokens are used."""
    measured = rows["measure"].unique()
    positions = [i for i in range(1, 8) if f"entropy {i}" in measured]
    body = [[label(s), *(_entropy(rows, s, i) for i in positions)] for s in systems]
    heading = "## Entropy in bits (perplexity) of each position"
    return Page(heading, ["system", *map(str, positions)], body)


def _entropy(rows: pd.DataFrame, system: str, position: int) -> str:
    bits = cell(pick(rows, system, f"entropy {position}"), 2)
    return f"{bits} ({pick(rows, system, f'perplexity {position}').mean():.0f})"


def asi_table1(results: Path, out: Path, baseline: list[Path] | None = None) -> None:
    """Write effectiveness in both readings, and how each model uses the space of identifiers.

    baseline: files of `measure` on test, each in a folder named after its system.
    """
    rows = read_asi(results)
    systems = [s for s in in_order(rows["system"]) if not s.endswith("unseen")]
    header = ["system", "reading, decoding", "R@1", "R@5", "R@10", "MRR@10"]
    body = baselines(baseline or []) + _effectiveness(rows, systems)
    note = NOTE.format(corpus=corpus(rows), seeds=rows["seed"].nunique())
    lines = [*Page("# ASI and ASI++", header, body).lines(1), note, ""]
    lines += [*use_of_space(rows, systems).lines(1), ALONE, ""]
    write_lines([*lines, *entropies(rows, systems).lines(1)[:-1]], out)


def asi_table4(results: Path, out: Path) -> None:
    """Write ASI++ with each of the three semantic indexing modules."""
    rows = read_asi(results)
    wanted = ("asi++", "asi++-pq", "asi++-rq")
    systems = [s for s in wanted if s in set(rows["system"])]
    header = ["module", "reading, decoding", "R@1", "R@5", "R@10", "MRR@10"]
    body = _effectiveness(rows, systems)
    body = [[row[0].replace("ASI++ with ", "").replace("ASI++", "MLP"), *row[1:]] for row in body]
    note = NOTE.format(corpus=corpus(rows), seeds=rows["seed"].nunique())
    write_lines([*Page("# Semantic indexing modules", header, body).lines(1), note], out)


def asi_table3(asi: list[Path], asi_plus: list[Path], out: Path) -> None:
    """Write effectiveness for seen and for unseen documents, ASI against ASI++.

    asi, asi_plus: files of `cold-start`, one for each seed.
    """
    body = []
    for name, paths in (("ASI", asi), ("ASI++", asi_plus)):
        rows = pd.concat([read_csv(path) for path in paths])
        for category in CATEGORIES:
            own = rows[rows["category"].eq(category)]
            queries = own[own["measure"].eq("R@1 expectation")]["queries"].mean()
            for reading in READINGS:
                values = [
                    own[own["measure"].eq(f"{m} {reading}")]["value"]
                    for m in ("R@1", "R@5", "R@10")
                ]
                count = "0" if own.empty else f"{queries:,.0f}"
                body.append([name, category, count, reading, *map(cell, values)])
    notes = [COLD.format(seeds=len(asi)), "", NOTE.format(corpus="", seeds=len(asi))]
    header = ["system", "documents", "queries", "reading", "R@1", "R@5", "R@10"]
    write_lines([*Page("# Cold start: new documents", header, body).lines(1), *notes], out)
