"""The tables of results and of comparisons, and what each holds: rules in measure.smk."""

from snakemake.io import expand
from snakemake.iocontainers import Wildcards
from workflow.plan import given
from workflow.plan.datasets import each_dataset
from workflow.plan.figures import CHECKED, each_system, of_texts
from workflow.plan.settings import swept
from workflow.scripts.reads import remembered
from workflow.scripts.shell import options, repeat

MEASURED = "data/{dataset}/measures/{system}/{setting}/{split}.parquet"
# The tables of results, in this order, and the figure of each. A run stands in one table: that of
# the first figure that shows it. A figure reads every table that holds a run of it.
RESULTS = {
    "results": "figure4",
    "results-speed": "figure5",
    "results-ablation": "figure7",
    "results-retrievers": "figure1",
}
# The tables of comparisons: the figure, the splits, and the families that p is corrected within.
COMPARISONS = {
    "comparisons": ("figure4", given.SPLITS, ["figure4"]),
    "comparisons-speed": ("figure5", ["test"], ["table1"]),
    "comparisons-ablation": ("figure7", given.SPLITS, ["figure7", "steps"]),
    "comparisons-retrievers": ("figure1", ["test"], ["table3", "table5"]),
}


@remembered
def runs_of(figure: str) -> dict[tuple[str, str], str]:
    """Return {(system, setting): table}: the table of results that each run of a figure stands in.

    Later figures are not asked, and earlier ones only for the systems of this one: so no table
    depends on the params of others.
    """
    found = {}
    for table, other in RESULTS.items():
        systems = CHECKED[other]
        for system in [s for s in CHECKED[figure] if s in systems]:
            for setting in CHECKED[figure][system]:
                if setting in systems[system]:
                    found.setdefault((system, setting), table)
        if other == figure:
            break
    return found


@remembered
def held(table: str) -> dict[str, list[str]]:
    """Return {system: settings}: what a table of results holds."""
    found = {}
    for (system, setting), own in runs_of(RESULTS[table]).items():
        if own == table:
            found.setdefault(system, []).append(setting)
    return found


def of_table(pattern: str, table: str) -> list[str]:
    """Return `pattern` for every dataset, and every run that a table of results holds."""
    return each_system(pattern, held(table), given.datasets if table == "results" else given.texts)


def of_figure(figure: str, kind: str = "reports/tables/{table}.csv") -> list[str]:
    """Return the tables of results that hold a figure's runs, or a file of another kind of each."""
    holding = set(runs_of(figure).values())
    return [kind.format(table=table) for table in RESULTS if table in holding]


def made(*tables: str) -> list[str]:
    """Return tables of results or comparisons with their flags, but for those that are empty."""
    kept = [table for table in tables if table not in RESULTS or held(table)]
    return expand(["reports/tables/{table}.csv", "data/{table}.made"], table=kept)


def compared(pattern: str, table: str) -> list[str]:
    """Return `pattern` for every run of the figure that a table of comparisons belongs to."""
    return each_system(pattern, CHECKED[COMPARISONS[table][0]])


def checks(wildcards: Wildcards) -> list[str]:
    """Return the checks that a table of results waits for."""
    first = wildcards.table == "results"
    path = f"data/{{dataset}}/fits/{RESULTS[wildcards.table]}.json"
    found = each_dataset(path, among=given.datasets if first else given.texts)
    return found if first else [*found, *of_texts(wildcards)]


def compared_checks(wildcards: Wildcards) -> list[str]:
    """Return no file, or refuse a table of comparisons that the params do not allow."""
    alone = COMPARISONS[wildcards.table][1] == ["test"]
    refused = [] if wildcards.table == "comparisons" else of_texts(wildcards)
    return [*(swept("table1") if alone else []), *refused]


def of_speed(wildcards: Wildcards) -> dict[str, list[str]]:
    """Return what the table of speed is chosen by: its settings' values on dev, and their speed."""
    if wildcards.table != "comparisons-speed":
        return {}
    return {
        "results": of_figure("figure5"),
        "latency": ["reports/tables/latency.csv"],
        "made": [*of_figure("figure5", "data/{table}.made"), "data/latency.made"],
    }


def compared_options(wildcards: Wildcards) -> str:
    """Return the options of `jointir comparisons`: the families, and M of tables 1, 3 and 5."""
    figure, _, families = COMPARISONS[wildcards.table]
    told = {"M": given.config["table1"]["M"]} if figure in ("figure1", "figure5") else {}
    return f"{repeat('family', families)} {options(told)}".strip()
