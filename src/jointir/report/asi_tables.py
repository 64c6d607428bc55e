"""Tables 3 and 4 of ASI++ (Liu et al. 2024) from this project's runs, and what table 1 shares."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jointir.errors import InputError
from jointir.measure.cold_start import CATEGORIES
from jointir.measure.identifiers import COLUMNS
from jointir.readers import of_types, read_csv
from jointir.report.formats import Page, write_lines
from jointir.report.styles import label

DECODINGS = {"free": "free", "constrained": "prefix tree"}  # of identifiers
OF_CORPUS = ("unique ids", "documents an id, mean")  # their product: its documents
READINGS = ("correct id", "expectation")
MEASURES = ("R@1", "R@5", "R@10", "RR@10")
NOTE = (
    "{corpus}Test split; mean over {seeds} seed(s), ± standard deviation; without ±, one seed. "
    "*Correct id*: a document counts as found where its identifier was generated, however many "
    "share it. *Expectation*: those that share an identifier are retrieved in random order; the "
    "mean over that order, computed exactly. It is the reading that counts."
)
HYBRID = (
    "*Documents*: they are ranked themselves, and there is nothing to expect. *Hybrid*: a wider "
    "beam with the prefix tree finds identifiers, and the inner product of the encoder's "
    "embeddings ranks their documents."
)
COLD = (
    "A share of the documents, with their queries, was kept from training ({seeds} seed(s)); their "
    "identifiers come from the indexing module, without retraining. *existing*: seen in training; "
    "*new content*: not seen, but with the identifier of a seen one; *new semantic*: not seen, and "
    "with an identifier that no seen one has."
)


class Row(NamedTuple):
    """What one system reaches in one reading, with one decoding; cells of MEASURES."""

    system: str
    decoding: str
    kind: str
    cells: list[str]


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
    unique, share = (pick(first, first["system"].iloc[0], m).iloc[0] for m in OF_CORPUS)
    return f"Dataset {rows['dataset'].iloc[0]}, {unique * share:,.0f} documents. "


def effectiveness(rows: pd.DataFrame, systems: list[str]) -> list[Row]:
    """Return a row for each system, reading and decoding that was measured."""
    found = []
    for system in systems:
        kinds = [(d, r, f"{r}, {name}") for r in READINGS for d, name in DECODINGS.items()]
        for beam in pick(rows, system, "beam", "hybrid").unique():
            kinds.append(("hybrid", "documents", f"documents, hybrid (beam {beam:.0f}, rescored)"))
        for decoding, reading, kind in kinds:
            own = [pick(rows, system, f"{m} {reading}", decoding) for m in MEASURES]
            if not own[0].empty:
                found.append(Row(system, decoding, kind, [*map(cell, own)]))
    return found


def asi_table4(results: Path, out: Path) -> None:
    """Write ASI++ with each of the three semantic indexing modules."""
    rows = read_asi(results)
    wanted = ("asi++", "asi++-pq", "asi++-rq")
    systems = [s for s in wanted if s in set(rows["system"])]
    header = ["module", "reading, decoding", "R@1", "R@5", "R@10", "MRR@10"]
    modules = {s: label(s).replace("ASI++ with ", "").replace("ASI++", "MLP") for s in systems}
    body = [[modules[r.system], r.kind, *r.cells] for r in effectiveness(rows, systems)]
    note = NOTE.format(corpus=corpus(rows), seeds=rows["seed"].nunique())
    lines = Page("# Semantic indexing modules", header, body).lines(2)
    write_lines([*lines, note, "", HYBRID], out)


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
                found = own[own["measure"].eq("documents a query")]["value"]
                count = "0" if own.empty else f"{queries:,.0f}"
                cells = [*map(cell, values), cell(found, 1)]
                body.append([name, category, count, reading, *cells])
    notes = [COLD.format(seeds=len(asi)), "", NOTE.format(corpus="", seeds=len(asi))]
    header = ["system", "documents", "queries", "reading", "R@1", "R@5", "R@10"]
    header.append("documents a query")
    write_lines([*Page("# Cold start: new documents", header, body).lines(1), *notes], out)
