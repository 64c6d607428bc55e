"""The numbers of ASI++'s table 2 that are of identifiers, and more of how they use their space."""

from pathlib import Path

from jointir.report.asi_tables import DECODINGS, Measured, cell, read_asi
from jointir.report.formats import Page, write_lines
from jointir.report.known import report
from jointir.report.styles import in_order, label

NUMBERS = {  # of the identifiers, and with how many digits
    "unique ids": 0,
    "documents an id, mean": 2,
    "documents an id, max": 0,
    "alone": 3,
    "empty share": 8,
}
DQ = "documents a query"
ALONE = (
    "*alone*: the share of documents whose identifier no other document has. *empty share*: of all "
    "V^L identifiers, those of no document. *D/Q*: documents of the identifiers that are written "
    "for a query, 1,000 at most, as in the paper."
)


def use_of_space(measured: Measured, systems: list[str]) -> Page:
    """Return the table of what each system's identifiers are like."""
    body = []
    for system in systems:
        cells = [cell(measured.number(system, name), digits) for name, digits in NUMBERS.items()]
        cells += [cell(measured.number(system, DQ, decoding), 1) for decoding in DECODINGS]
        body.append([label(system), *cells, cell(measured.number(system, "parameters"), 0)])
    titles = ["system", *NUMBERS, *(f"D/Q, {decoding}" for decoding in DECODINGS), "parameters"]
    return Page("# ASI++, table 2: the identifiers", titles, body)


def entropies(measured: Measured, systems: list[str]) -> Page:
    """Return the table of how evenly each position's tokens are used."""
    names = measured.numbers["measure"].unique()
    positions = [i for i in range(1, 1 + len(names)) if f"entropy {i}" in names]
    body = [[label(s), *(_entropy(measured, s, i) for i in positions)] for s in systems]
    heading = "## Entropy in bits (perplexity) of each position"
    return Page(heading, ["system", *map(str, positions)], body)


def _entropy(measured: Measured, system: str, position: int) -> str:
    bits = measured.number(system, f"entropy {position}")
    perplexity = measured.number(system, f"perplexity {position}")
    return "-" if bits.empty else f"{cell(bits, 2)} ({perplexity.mean():.0f})"


@report(
    stage="asi_report",
    figure="asi",
    reads={"results": "results of ASI", "numbers": "numbers of ASI", "system": "systems of ASI"},
    writes={"out": "reports/asi_table2.md"},
)
def asi_table2(results: Path, numbers: Path, out: Path, system: list[str]) -> None:
    """Write how the identifiers of each system use their space.

    results, numbers: files of `asi-results`. system: those that are shown.

    Raises:
        InputError: what `read_asi` refuses.
    """
    measured, systems = read_asi(results, numbers), in_order(system)
    lines = [*use_of_space(measured, systems).lines(1), ALONE, "", measured.note(), ""]
    write_lines([*lines, *entropies(measured, systems).lines(1)[:-1]], out)
