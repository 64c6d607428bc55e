from functools import partial

from jointir.report.known import reports

# Figures and tables: a rule for each stage under @report in src/jointir/report/, and named after it.
# Included after the rules whose files they read.

# What a report may read, by name: files that other rules make, as a function of the Report,
FILES = {
    "results": lambda own: of_figure(own.figure),
    "comparisons": lambda own: [
        f"reports/tables/{t}.csv" for t, its in COMPARISONS.items() if its[0] == own.figure
    ],
    "latency": lambda own: [rules.latencies.output.table],
    "groups": lambda own: [rules.groups.output.table],
    "scale": lambda own: [rules.scale.output.table],
    "meta": lambda own: each_system(rules.retrieve.output.meta, CHECKED[own.figure]),
    "sizes": lambda own: [rules.sizes.output.out],
    "pays": lambda own: [rules.pays.output.out],
    "overlap": lambda own: of_texts(own)
    + each_dataset(rules.negatives.output.overlap, among=TEXTS),
    "drawn": lambda own: each_dataset(rules.negatives.output.drawn, among=TEXTS),
    "training curves": lambda own: list(curves()),
    "results of ASI": lambda own: [rules.asi_results.output.table],
    "comparisons of ASI": lambda own: [rules.asi_results.output.comparisons],
    "numbers of ASI": lambda own: [rules.asi_results.output.numbers],
    "generated queries of ASI": lambda own: generated_queries(),
    "collection of ASI": lambda own: [f"data/{config['asi']['dataset']}/collection"],
    "identifiers of ASI": lambda own: of_variant(rules.assign_ids.output.ids, "asi")[:1],
    "identifiers of ASI++": lambda own: of_variant(rules.assign_ids.output.ids, "asi++")[:1],
    "cold start of ASI": lambda own: of_variant(rules.cold_start.output.table, "asi-unseen"),
    "cold start of ASI++": lambda own: of_variant(rules.cold_start.output.table, "asi++-unseen"),
}
# and values that come of the params.
VALUES = {
    "M": lambda own: [config["table1"]["M"]],
    "drawn systems": lambda own: config[own.figure]["systems"],
    "systems like JPQ": lambda own: of_jpq(),
    "names of training curves": lambda own: curves().values(),
    "systems of ASI": lambda own: trained_on_all(),
    "sparse systems of ASI": lambda own: baselines_by(SPARSE),
    "settings of ASI++": lambda own: told_settings(),
    "dataset of ASI": lambda own: [config["asi"]["dataset"]],
}
OF_FIGURE = {"results", "comparisons", "meta"}  # those of the figure that the report names
# Those that git has, so that a flag tells those of this run: see the rule `results`. Each of these
# tables has its own flag.
FLAGGED = ("results", "comparisons", "latency", "groups", "scale")
# ASI's tables have one together. A table of its settings is to tell those of that run.
FLAGGED_ASI = {"results of ASI", "comparisons of ASI", "numbers of ASI", "settings of ASI++"}


def read_by(own, source, wildcards=None):
    """Return what a report reads by one of the names above."""
    return (FILES | VALUES)[source](own)


def flags(own, wildcards):
    """Return the flags of what a report reads."""
    read = own.inputs().values()
    tables = [path for source in read if source in FLAGGED for path in read_by(own, source)]
    of_asi = [rules.asi_results.output.made] if FLAGGED_ASI & set(read) else []
    return [f"data/{Path(path).stem}.made" for path in tables] + of_asi


def report_command(own, wildcards, output):
    """Return the command of a report: its options of what it reads, and of what it writes."""
    given = {option: read_by(own, source) for option, source in own.inputs().items()}
    given |= {option: [output[option]] for option in own.outputs()}
    told = [repeat(option.replace("_", "-"), values) for option, values in given.items()]
    text = " ".join([f"jointir {own.command}", *filter(None, told)])
    printed = reports()[own.prints].outputs()["out"] if own.prints else ""
    return f"({text} && cat {printed})" if printed else text


def report_output(own, option, path):
    """Return a file that a report writes; its PDF is in Snakemake's report where it has a category."""
    if option != "out" or not own.category:
        return path
    caption = Path(workflow.basedir, f"workflow/report/{own.name}.rst")
    about = {"caption": str(caption)} if caption.exists() else {}
    return report(path, category=own.category, **about)


def check_names(own, what, names, known_ones):
    """Refuse a report that says a name which is none of those that there are."""
    for name in names:
        if name not in known_ones:
            found = f"{what} of {own.name}: {name!r} is unknown"
            refuse(own.path, found, f"Choose of {', '.join(filter(None, known_ones))}")


def check_report(own):
    """Refuse a report that no rule could make."""
    if workflow.is_rule(own.name):
        refuse(own.path, f"another rule is named {own.name!r}", "Choose another name")
    check_names(own, "reads", own.inputs().values(), [*FILES, *VALUES])
    check_names(own, "beside", own.beside, reports())
    others = [] if OF_FIGURE & set(own.inputs().values()) else ["asi", ""]
    check_names(own, "figure", [own.figure], [*CHECKED, *others])


try:
    reports()
except InputError as e:  # in one line, without those of the Snakefile
    sys.exit(str(e))

for _report in reports().values():
    check_report(_report)
    _files = {option: s for option, s in _report.inputs().items() if s in FILES}

    rule:
        name:
            _report.name
        input:
            **{option: partial(read_by, _report, source) for option, source in _files.items()},
            code=source_files(_report.module),
            style=["src/jointir/report/matplotlibrc"] if "png" in _report.options else [],
            made=partial(flags, _report),
            needed=needed(_report.figure, _report.title, *_report.needs),
            beside=[reports()[name].outputs()["out"] for name in _report.beside],
        output:
            **{o: report_output(_report, o, path) for o, path in _report.outputs().items()},
        log:
            f"logs/{_report.command}.log",
        localrule: True  # seconds
        resources:
            mem_mb=_report.mem_mb,
            runtime=10,
        params:
            command=partial(report_command, _report),
        shell:
            "{params.command} 2>&1 | tee {log}"
