"""Whether JPQ pays, in a line for each dataset: at which bytes a document, on dev and on test."""

from pathlib import Path

import pandas as pd

from jointir.measure.groups import ALL, NONE, WITH, WITHOUT, read_groups
from jointir.measure.pays import LEVEL, PAYS, WORSE, Verdict, verdicts
from jointir.report.formats import write_lines
from jointir.report.known import report
from jointir.report.styles import label

MEANING = (
    "JPQ *pays* at a size where it is significantly better than the OPQ that it starts from, at "
    "the same bytes a document, in the main measure (a dataset's first one), and significantly "
    "worse in none. It is *worse* where it is significantly worse in a measure, which is named; "
    "*level* otherwise, as where training kept its first step. Two-tailed paired t-test, "
    "Holm-corrected within a dataset, split, group of queries and measure, p < 0.05: the numbers "
    "are in groups.csv. *With a train query*, *without*: queries whose relevant documents are, or "
    "are not, relevant to a query of the train split too; told where a split has both."
)
GROUPS = {WITH: "with a train query", WITHOUT: "without a train query"}


def joined(words: list[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join([*filter(None, [", ".join(words[:-1])]), *words[-1:]])


def sizes_text(sizes: list[float], every: list[float]) -> str:
    """Return "16 to 48 and 96 bytes" of some sizes: three and more in a row of `every` are a span.

    Both are in ascending order, `sizes` some of `every`.
    """
    spans: list[list[float]] = []
    for size in sizes:
        if spans and every.index(size) == every.index(spans[-1][-1]) + 1:
            spans[-1].append(size)
        else:
            spans.append([size])
    words = []
    for span in spans:
        shown = [f"{size:g}" for size in span]
        words += shown if len(shown) < 3 else [f"{shown[0]} to {shown[-1]}"]
    return f"{joined(words)} byte{'' if sizes == [1] else 's'}"


def _at(word: str, found: dict[float, Verdict]) -> str:
    """Return where a verdict holds, or nothing where it holds nowhere."""
    every = list(found)
    sizes = [size for size, of in found.items() if of.word == word]
    text = sizes_text(sizes, every) if sizes else ""
    return f"every size ({text})" if sizes == every and len(every) > 1 else text


def clause(found: dict[float, Verdict], where: str, start: str) -> str:
    """Return what a sentence says of JPQ in one case.

    found: its verdicts by size. where: the splits and groups of the case. start: what it is
    compared with.
    """
    pays, level, worse = (_at(word, found) for word in (PAYS, LEVEL, WORSE))
    if not (level or worse):
        return f"pays at {pays} on {where}"
    rest = [f"level with {start} at {level}"] if level else []
    if worse:
        measures = dict.fromkeys(measure for of in found.values() for measure in of.worse)
        rest.append(f"significantly worse than {start} at {worse} ({', '.join(measures)})")
    head = f"pays on {where} only at {pays}" if pays else f"does not pay on {where}"
    return f"{head}: {', '.join(rest)}"


def cases(rows: pd.DataFrame, system: str) -> dict[str, dict[float, Verdict]]:
    """Return the verdicts of one dataset's system by case: each split, then groups of its queries.

    rows: of groups.csv, of one dataset.
    """
    found, of_groups = {}, {}
    for split, part in rows.groupby("split"):  # dev, test
        found[str(split)] = verdicts(part[part["grouping"].eq(ALL)], system)
        if set(GROUPS) <= set(part["group"]):
            for group, words in GROUPS.items():
                of_groups[f"{split} ({words})"] = verdicts(part[part["group"].eq(group)], system)
    return {case: own for case, own in (found | of_groups).items() if own}


def line(rows: pd.DataFrame, dataset: str, system: str) -> str:
    """Return one sentence on a dataset's system; nothing where it is compared with nothing.

    rows: of groups.csv, of the dataset. Where it does not pay everywhere comes first.
    """
    found = cases(rows, system)
    against = rows["against"][rows["system"].eq(system) & rows["against"].ne("")]
    start = label(against.iloc[0]) if len(against) else ""
    alike: dict[tuple, list[str]] = {}  # the cases of each clause, by their verdicts
    for case, own in found.items():
        alike.setdefault(tuple(own.items()), []).append(case)
    order = sorted(alike, key=lambda own: all(of.word == PAYS for _, of in own))
    clauses = [clause(dict(own), _where(alike[own], list(found)), start) for own in order]
    return f"{dataset}: {label(system)} {'; '.join(clauses)}." if clauses else ""


def unanswerable(rows: pd.DataFrame, dataset: str) -> list[str]:
    """Return a sentence for each split with queries that no document of the corpus answers.

    rows: of groups.csv, of the dataset. They score 0 and lower every mean, as trec_eval has it.
    """
    found = []
    for split, part in rows.groupby("split"):
        counts = part.groupby("group")["n_queries"].first()
        if NONE in counts:
            told = f"{counts[NONE]:,} of {counts[ALL]:,} {split} queries have"
            told += " no relevant document in the corpus"
            found.append(f"{dataset}: {told}: each scores 0 in every mean.")
    return found


def _where(some: list[str], every: list[str]) -> str:
    """Return some of all cases as words."""
    splits = [case for case in every if "(" not in case]
    if some == every != splits:
        return f"{joined(splits)}, in each group of queries too"
    return joined(some)


@report(
    stage="report",
    reads={"system": "systems like JPQ"},
    writes={"out": "reports/tables/pays.md"},
)
def pays(groups: Path, out: Path, system: list[str]) -> None:
    """Write whether JPQ pays: a line for each dataset and system, and what the words mean.

    And which of a dataset's queries nothing can answer.

    groups: groups.csv. system: those that are told of.

    Raises:
        InputError: it has other columns, or a group that its grouping does not have.
    """
    lines = []
    for dataset, rows in read_groups(groups).groupby("dataset"):
        told = [line(rows, str(dataset), one) for one in system]
        nothing = f"{dataset}: no JPQ was measured beside the OPQ that it starts from."
        lines += list(filter(None, told)) or [nothing]
        lines += unanswerable(rows, str(dataset))
    write_lines([*(f"- {text}" for text in lines), "", MEANING], out)
