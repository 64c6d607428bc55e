from workflow.plan import datasets, figures, given, searched, settings, tables, trainings
from workflow.plan.command import command, files, files_but
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat


rule retrieve:
    input:
        code=lambda w: source_files("measure.retrieve", *searched.library(w.system)),
        collection="data/{dataset}/collection",
        index=lambda w: searched.index_of(w)[0],
        queries=lambda w: searched.index_of(w)[1],
        beside=lambda w: searched.index_of(w)[1].replace(".npy", ".json"),
    output:
        out=searched.runs("{setting}"),
        meta=searched.meta("{setting}"),
    log:
        "logs/{dataset}/{system}/{setting}-retrieve.log",
    wildcard_constraints:
        system=any_of(given.searched),
    resources:
        mem_mb=memory(4000, index=1.5),
        runtime=120,
    params:
        command=command(
            "retrieve",
            dataset="{dataset}",
            system="{system}",
            setting=searched.shown_setting,
            seed=searched.seed_of,
            k=config["retrieve"]["k"],
            value=searched.value,
        ),
        files=files,
    shell:
        "{params.command} {params.files} --threads {threads} 2>&1 | tee {log}"


rule measure:
    input:
        code=source_files("measure.effectiveness"),
        collection="data/{dataset}/collection",
        run=searched.runs("{setting}"),
    output:
        out=expand(tables.MEASURED, split=given.SPLITS, allow_missing=True),
    log:
        "logs/{dataset}/{system}/{setting}-measure.log",
    localrule: True  # seconds
    params:
        command=command(
            "measure",
            lambda w: datasets.measure_options(w.dataset),
            lambda w: repeat("qrels", datasets.qrels_of(w.dataset)),
        ),
        files=files_but("collection"),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule results:
    input:
        code=source_files("measure.results"),
        per_query=lambda w: expand(tables.of_table(tables.MEASURED, w.table), split=given.SPLITS),
        meta=lambda w: tables.of_table(rules.retrieve.output.meta, w.table),
        checked=tables.checks,
    output:
        out="reports/tables/{table}.csv",
        # The table is in git, and to Snakemake a file is a file: without this flag, which is not, a
        # clone's committed numbers would pass for those of its own run.
        made=touch("data/{table}.made"),
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table=any_of(tables.RESULTS),
    localrule: True  # seconds
    params:
        command=command("results", options(config["results"])),
        files=files_but("meta"),
        meta=lambda w, input: repeat("meta", [m for m in input.meta for _ in given.SPLITS]),
    shell:
        "{params.command} {params.files} {params.meta} 2>&1 | tee {log}"


rule comparisons:
    input:
        unpack(tables.of_speed),
        code=source_files("measure.comparisons"),
        per_query=lambda w: expand(
            tables.compared(tables.MEASURED, w.table), split=tables.COMPARISONS[w.table][1]
        ),
        meta=lambda w: tables.compared(rules.retrieve.output.meta, w.table),
        checked=tables.compared_checks,
    output:
        out="reports/tables/{table}.csv",
        made=touch("data/{table}.made"),  # see `results`
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table=any_of(tables.COMPARISONS),
    localrule: True  # seconds
    params:
        command=command("comparisons", tables.compared_options),
        files=files_but("meta"),
        meta=lambda w, input: repeat(
            "meta", [m for m in input.meta for _ in tables.COMPARISONS[w.table][1]]
        ),
    shell:
        "{params.command} {params.files} {params.meta} 2>&1 | tee {log}"


rule groups:
    input:
        code=source_files("measure.groups"),
        per_query=expand(figures.each_system(tables.MEASURED), split=given.SPLITS),
        meta=figures.each_system(rules.retrieve.output.meta),
        collection=datasets.each_dataset("data/{dataset}/collection"),
        packages=list(datasets.PACKAGES.values()),
    output:
        out="reports/tables/groups.csv",
        made=touch("data/groups.made"),  # see `results`
    log:
        "logs/groups.log",
    localrule: True  # seconds
    params:
        command=command(
            "groups",
            lambda w: repeat("start", map("=".join, figures.trained_from().items())),
            repeat("collection", datasets.each_dataset("{dataset}=data/{dataset}/collection")),
            repeat("packages", map("=".join, datasets.PACKAGES.items())),
            options(config["results"]),
        ),
        files=files_but("meta", "collection", "packages"),
        meta=rules.results.params.meta,
        contents=lambda w: contents(list(datasets.PACKAGES.values())),
    shell:
        "{params.command} {params.files} {params.meta} 2>&1 | tee {log}"
