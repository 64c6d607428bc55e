"""groups.csv for people: the test split's values, a column for each group of queries."""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.measure.groups import ALL, MIXED, NONE, order, read_groups
from jointir.report.formats import mark, markdown, write_lines
from jointir.report.known import report
from jointir.report.styles import label, ranked

MEANING = {
    "train query": "Queries by whether their relevant documents are relevant to a query of the "
    "train split too, from which systems learn.",
    "codesearchnet": "Queries by whether CodeSearchNet can have had the repository of their "
    "relevant document: whether it was public by September 2019, when CodeSearchNet was published. "
    "*Possible* is an upper bound: what was written later, and what CodeSearchNet's filters left "
    "out, is in that group too. An encoder that was trained on CodeSearchNet (all-MiniLM-L6-v2 "
    "was) cannot have seen the repositories of the group *impossible* there.",
}
OTHERS = {
    MIXED: "*mixed*: relevant documents of both groups.",
    NONE: "*none*: no relevant document is in the corpus.",
}
LEGEND = (
    "Brackets: 95% bootstrap interval over the group's queries. Two-tailed paired t-test of a "
    "system against what it is trained from, at the same bytes a document ({}), "
    "Holm-corrected within a group and measure: significantly better (\\*\\* p < 0.01, \\* p < "
    "0.05) or worse († p < 0.05). Queries of the test split."
)
RUN = ["system", "bytes_per_doc", "setting", "seed"]


def _cell(row: pd.Series) -> str:
    sign = mark(-row["difference"], row["p_holm"])  # ** for a gain, here
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]{sign}"


def _legend(rows: pd.DataFrame) -> str:
    """Return what the marks mean, and which systems are compared with which."""
    pairs = rows.loc[rows["against"].ne(""), ["system", "against"]].drop_duplicates()
    pairs = pairs.sort_values("system", key=ranked).itertuples(index=False, name=None)
    told = ", ".join(f"{label(system)} against {label(base)}" for system, base in pairs)
    return LEGEND.format(told or "none here")


def _table(rows: pd.DataFrame, groups: list[str]) -> list[str]:
    """Return the Markdown table of one dataset, grouping and measure; a column for each group."""
    counts = rows.groupby("group")["n_queries"].first()
    titles = ["system", "setting", "bytes a document"]
    titles += [f"{g} ({counts[g]:,} quer{'y' if counts[g] == 1 else 'ies'})" for g in groups]
    several = rows.groupby(["system", "setting"])["seed"].nunique().gt(1)
    rows = rows.sort_values(RUN, key=lambda c: ranked(c) if c.name == "system" else c)
    lines = []
    for (system, size, setting, seed), run in rows.groupby(RUN, sort=False):
        cells = {row["group"]: _cell(row) for _, row in run.iterrows()}
        told = f"{setting} seed {seed}".strip() if several[system, setting] else setting
        lines.append([label(system), told, f"{size:g}", *(cells.get(g, "") for g in groups)])
    return markdown(titles, lines)


def _section(rows: pd.DataFrame, dataset: str, grouping: str) -> list[str]:
    """Return the lines of one dataset and grouping; one line where all queries are in one group."""
    present = set(rows["group"])
    groups = [g for g in order(grouping) if g in present]
    title = f"### {dataset}, test: {grouping}"
    if len(groups) == 1:
        only = f"All {rows['n_queries'].iloc[0]:,} queries are in the group *{groups[0]}*."
        return [title, "", f"{MEANING[grouping]} {only}", ""]
    others = [OTHERS[g] for g in groups if g in OTHERS]
    lines = [title, "", " ".join([MEANING[grouping], *others]), ""]
    for measure, own in rows.groupby("measure", sort=False):
        lines += [f"#### {measure}", "", *_table(own, groups), ""]
    return lines


@report(stage="report", writes={"out": "reports/tables/groups.md"})
def groups_table(groups: Path, out: Path) -> None:
    """Write groups.csv's test split as Markdown: a table for each dataset, grouping and measure.

    The values of all queries together are in figure 4's table, and left out here.

    Raises:
        InputError: groups.csv has other columns, or no test split.
    """
    rows = read_groups(groups)
    rows = rows[rows["split"].eq("test")]
    if rows.empty:
        raise InputError(groups, "no row of the test split", "Measure the test split first")
    lines = []
    told_apart = rows[rows["grouping"].ne(ALL)]
    for (dataset, grouping), own in told_apart.groupby(["dataset", "grouping"]):
        lines += _section(own, str(dataset), str(grouping))
    write_lines([*lines, _legend(rows)], out)
