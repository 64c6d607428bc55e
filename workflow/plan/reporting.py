"""What the rules of figures and tables are made of: one for each report of src/jointir/report/."""

from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake.io import report
from snakemake.iocontainers import Wildcards
from workflow.plan import given
from workflow.plan.datasets import each_dataset
from workflow.plan.figures import CHECKED, curves, each_system, of_jpq, of_texts
from workflow.plan.settings import refuse
from workflow.plan.tables import COMPARISONS, of_figure
from workflow.plan.trainings import (
    asi_curves,
    baselines_by,
    generated_queries,
    of_variant,
    told_settings,
    trained_on_all,
)
from workflow.scripts.shell import repeat

from jointir.methods.facts import SPARSE
from jointir.report.known import Report, reports


def file_of(rule: str, name: str) -> str:
    """Return the pattern of a file that a rule writes."""
    return getattr(getattr(given.rules, rule).output, name)


# What a report may read, by name: files that other rules make, as a function of the Report,
FILES: dict[str, Callable[[Report], list[str]]] = {
    "results": lambda own: of_figure(own.figure),
    "comparisons": lambda own: [
        f"reports/tables/{t}.csv" for t, its in COMPARISONS.items() if its[0] == own.figure
    ],
    "latency": lambda own: [file_of("latencies", "out")],
    "groups": lambda own: [file_of("groups", "out")],
    "scaling": lambda own: [file_of("scaling", "out")],
    "meta": lambda own: each_system(file_of("retrieve", "meta"), CHECKED[own.figure]),
    "sizes": lambda own: [file_of("sizes", "out")],
    "pays": lambda own: [file_of("pays", "out")],
    "overlap": lambda own: (
        of_texts(own) + each_dataset(file_of("negatives", "out"), among=given.texts)
    ),
    "drawn": lambda own: each_dataset(file_of("negatives", "drawn"), among=given.texts),
    "training curves": lambda own: list(curves()),
    "training curves of ASI": lambda own: list(asi_curves()),
    "results of ASI": lambda own: [file_of("asi_results", "out")],
    "comparisons of ASI": lambda own: [file_of("asi_results", "out_comparisons")],
    "numbers of ASI": lambda own: [file_of("asi_results", "out_numbers")],
    "generated queries of ASI": lambda own: generated_queries(),
    "collection of ASI": lambda own: [f"data/{given.config['asi']['dataset']}/collection"],
    "identifiers of ASI": lambda own: of_variant(file_of("assign_ids", "out"), "asi")[:1],
    "identifiers of ASI++": lambda own: of_variant(file_of("assign_ids", "out"), "asi++")[:1],
    "cold start of ASI": lambda own: of_variant(file_of("cold_start", "out"), "asi-unseen"),
    "cold start of ASI++": lambda own: of_variant(file_of("cold_start", "out"), "asi++-unseen"),
}
# and values that come of the params.
VALUES: dict[str, Callable[[Report], Iterable]] = {
    "M": lambda own: [given.config["table1"]["M"]],
    "drawn systems": lambda own: given.config[own.figure]["systems"],
    "systems like JPQ": lambda own: of_jpq(),
    "names of training curves": lambda own: curves().values(),
    "names of training curves of ASI": lambda own: asi_curves().values(),
    "systems of ASI": lambda own: trained_on_all(),
    "sparse systems of ASI": lambda own: baselines_by(SPARSE),
    "settings of ASI++": lambda own: told_settings(),
    "dataset of ASI": lambda own: [given.config["asi"]["dataset"]],
}
OF_FIGURE = {"results", "comparisons", "meta"}  # those of the figure that the report names
# Those that git has, so that a flag tells those of this run: see the rule `results`. Each of these
# tables has its own flag.
FLAGGED = ("results", "comparisons", "latency", "groups", "scaling")
# ASI's tables have one together. A table of its settings is to tell those of that run.
FLAGGED_ASI = {"results of ASI", "comparisons of ASI", "numbers of ASI", "settings of ASI++"}


def read_by(own: Report, source: str, wildcards: Wildcards | None = None) -> list[str]:
    """Return the files that a report reads by one of the names above."""
    return FILES[source](own)


def flags(own: Report, wildcards: Wildcards) -> list[str]:
    """Return the flags of what a report reads."""
    read = own.inputs().values()
    tables = [path for source in read if source in FLAGGED for path in read_by(own, source)]
    of_asi = [file_of("asi_results", "made")] if FLAGGED_ASI & set(read) else []
    return [f"data/{Path(path).stem}.made" for path in tables] + of_asi


def beside(own: Report) -> list[str]:
    """Return the files that decide when a report is made, and that it is not told of."""
    style = ["src/jointir/report/matplotlibrc"] * ("png" in own.options)
    return style + [reports()[name].outputs()["out"] for name in own.beside]


def report_values(own: Report, wildcards: Wildcards) -> str:
    """Return the options of a report that come of the params."""
    values = {option: VALUES[s](own) for option, s in own.inputs().items() if s in VALUES}
    told = (repeat(option.replace("_", "-"), its) for option, its in values.items())
    return " ".join(filter(None, told))


def prints(own: Report) -> str:
    """Return what a report's shell adds to its command to print a text at the end."""
    return f"&& cat {reports()[own.prints].outputs()['out']}" if own.prints else ""


def report_output(own: Report, option: str, path: str) -> str:
    """Return a file that a report writes; with a category, its PDF is in Snakemake's report."""
    if option != "out" or not own.category:
        return path
    caption = Path(given.workflow.basedir, f"workflow/report/{own.name}.rst")
    about = {"caption": str(caption)} if caption.exists() else {}
    return report(path, category=own.category, **about)


def reported(stage: str) -> list[str]:
    """Return the files of the figures and tables that a stage makes."""
    wanted = [own for own in reports().values() if own.stage == stage and is_wanted(own)]
    return [path for own in wanted for path in own.outputs().values()]


def is_wanted(own: Report) -> bool:
    """Return whether a report is not optional, or every system that it needs is shown."""
    if not own.optional:
        return True
    shown = given.config[own.figure]["systems"]
    return all(system in shown for system in own.needs)


def check_names(own: Report, what: str, names: Iterable[str], known_ones: Iterable[str]) -> None:
    """Refuse a report that says a name which is none of those that there are."""
    for name in names:
        if name not in known_ones:
            found = f"{what} of {own.name}: {name!r} is unknown"
            refuse(own.path, found, f"Choose of {', '.join(filter(None, known_ones))}")


def check_report(own: Report) -> None:
    """Refuse a report that no rule could make."""
    if given.workflow.is_rule(own.name):
        refuse(own.path, f"another rule is named {own.name!r}", "Choose another name")
    check_names(own, "reads", own.inputs().values(), [*FILES, *VALUES])
    check_names(own, "beside", own.beside, reports())
    others = [] if OF_FIGURE & set(own.inputs().values()) else ["asi", ""]
    check_names(own, "figure", [own.figure], [*CHECKED, *others])
