"""What the tables of ASI++ (Liu et al. 2024) share: their numbers, and how cells show them."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.readers import of_types, read_csv
from jointir.measure.asi_results import CORRECT, NUMBERS
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import ASI
from jointir.measure.results import read_results
from jointir.report.formats import mark

MEASURES = ("R@1", "R@5", "R@10", "MRR@10")
DECODINGS = ("free", "prefix tree")  # that write identifiers, in the tables' order
HYBRID = "hybrid"
NOTE = (
    "{corpus}Test split; mean over {seeds} seed(s), ± standard deviation; without ±, one seed. "
    "*Expectation*: documents that share an identifier are retrieved in random order; the mean "
    "over that order, computed exactly. It is the reading that counts. *Correct id*: a document "
    "counts as found where its identifier was generated, however many share it."
)
WIDER = (
    "*Hybrid*: a wider beam with the prefix tree finds identifiers, and the inner product of the "
    "encoder's embeddings ranks their documents, so that there is nothing to expect."
)
TESTED = (
    "Two-tailed paired t-test against ASI++ decoded alike, means over seeds, Holm-corrected over "
    "all systems, decodings and readings of a measure: ASI++ significantly better (\\*\\* p < "
    "0.01, \\* p < 0.05) or worse († p < 0.05)."
)


def cell(values: pd.Series, digits: int = 3) -> str:
    """Return mean ± standard deviation over seeds, or the one value, or a dash."""
    if values.empty:
        return "-"
    text = f"{values.mean():,.{digits}f}"
    return text + (f" ± {values.std():,.{digits}f}" if len(values) > 1 else "")


@dataclass(frozen=True)
class Measured:
    """The files of `asi-results`, of the test split.

    rows: effectiveness, as `read_results` has it. numbers: rows of NUMBERS. compared: as
    `read_comparisons` has it; None where a report shows no p.
    """

    rows: pd.DataFrame
    numbers: pd.DataFrame
    compared: pd.DataFrame | None = None

    def settings(self, system: str) -> list[str]:
        """Return the settings of a system: decodings in the tables' order, the others after."""
        found = self.rows[self.rows["system"].eq(system)]["setting"].unique()
        known = [*DECODINGS, HYBRID, *(d + CORRECT for d in DECODINGS)]
        return [s for s in known if s in found] + [s for s in found if s not in known]

    def values(self, system: str, setting: str, measure: str) -> pd.Series:
        """Return one value for each seed."""
        own = self.rows[self.rows["system"].eq(system) & self.rows["setting"].eq(setting)]
        return own[own["measure"].eq(measure)]["value"]

    def number(self, system: str, name: str, setting: str = "") -> pd.Series:
        """Return one number for each seed; empty where a system has none of this name."""
        own = self.numbers[self.numbers["system"].eq(system) & self.numbers["measure"].eq(name)]
        return own[own["setting"].eq(setting)]["value"]

    def cells(self, system: str, setting: str) -> list[str]:
        """Return the cells of MEASURES, with the marks of their p values."""
        found = []
        for measure in MEASURES:
            text = cell(self.values(system, setting, measure))
            found.append(text + self._mark(system, setting, measure))
        return found

    def _mark(self, system: str, setting: str, measure: str) -> str:
        if self.compared is None:
            return ""
        own = self.compared[self.compared["system"].eq(system)]
        own = own[own["setting"].eq(setting) & own["measure"].eq(measure)]
        return mark(own["difference"].iloc[0], own["p_holm"].iloc[0]) if len(own) else ""

    def index_bytes(self, system: str, setting: str) -> float:
        """Return the bytes beside the model: identifiers and embeddings, or the whole index."""
        parts = ("identifiers bytes", "embeddings bytes", "index bytes")
        return sum(self.number(system, p, setting).mean() for p in parts if self._has(system, p))

    def _has(self, system: str, name: str) -> bool:
        own = self.numbers["system"].eq(system) & self.numbers["measure"].eq(name)
        return bool(own.any())

    def ranks(self, system: str) -> bool:
        """Return whether a system ranks documents, and has no identifiers."""
        return not self._has(system, "unique ids")

    def writes(self, system: str) -> bool:
        """Return whether a decoder writes what a system finds documents by."""
        return self._has(system, "beam")

    def rankers(self) -> list[str]:
        """Return the systems that rank documents."""
        return [s for s in self.rows["system"].unique() if self.ranks(s)]

    def note(self) -> str:
        """Return what was searched, and how to read the numbers."""
        name = next(s for s in self.rows["system"].unique() if not self.ranks(s))
        unique, share = (
            self.number(name, m).iloc[0] for m in ("unique ids", "documents an id, mean")
        )
        dataset = self.rows["dataset"].iloc[0]
        corpus = f"Dataset {dataset}, {unique * share:,.0f} documents. "
        return NOTE.format(corpus=corpus, seeds=self.rows["seed"][self._generative()].nunique())

    def _generative(self) -> pd.Series:
        return ~self.rows["system"].map({s: self.ranks(s) for s in self.rows["system"].unique()})


def read_asi(results: Path, numbers: Path, comparisons: Path | None = None) -> Measured:
    """Read the files of `asi-results`.

    Raises:
        InputError: one has other columns, or there are no test rows of a system with identifiers.
    """
    rows = read_results([results])
    rows = rows[rows["split"].eq("test")].reset_index(drop=True)
    about = read_csv(numbers, keep_default_na=False)
    if list(about.columns) != NUMBERS:
        found = f"columns {', '.join(about.columns)}"
        raise InputError(numbers, found, f"Rerun asi-results: expected {', '.join(NUMBERS)}")
    about["value"] = pd.to_numeric(about["value"], errors="coerce")
    of_types(numbers, about, value="numbers")
    found = Measured(
        rows,
        about[about["split"].isin(["", "test"])],
        None if comparisons is None else read_comparisons(comparisons, ASI),
    )
    if all(found.ranks(system) for system in rows["system"].unique()):
        remedy = "Make both with `jointir asi-results`"
        said = f"no system of its test rows has identifiers in {numbers}"
        raise InputError(results, said, remedy)
    return found
