"""Table 3 of ASI++ (Liu et al. 2024): new documents, which training did not see."""

from pathlib import Path

import pandas as pd

from jointir.basics.readers import read_csv
from jointir.measure.cold_start import CATEGORIES
from jointir.report.asi_tables import NOTE, cell
from jointir.report.formats import Page, write_lines
from jointir.report.known import report

READINGS = ("correct id", "expectation")
COLD = (
    "A share of the documents, with their queries, was kept from training ({seeds} seed(s)); their "
    "identifiers come from the indexing module, without retraining. *existing*: seen in training; "
    "*new content*: not seen, but with the identifier of a seen one; *new semantic*: not seen, and "
    "with an identifier that no seen one has."
)


@report(
    stage="asi_report",
    figure="asi",
    reads={"asi": "cold start of ASI", "asi_plus": "cold start of ASI++"},
    writes={"out": "reports/asi_table3.md"},
    needs=("asi-unseen", "asi++-unseen"),
    optional=True,
)
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
