from workflow.plan import datasets, figures, given, searched, settings
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import options, repeat

# How fast every system is: figure 5, tables 1 and 2, and the synthetic ladder.


rule latency:
    input:
        beside=searched.latency_inputs,
        code=source_files("measure.latency"),
        collection="data/{dataset}/collection",
    output:
        out="data/{dataset}/latency.csv",
        machine="reports/machine/{dataset}.json",
    log:
        "logs/{dataset}/latency.log",
    threads: workflow.cores  # nothing else may run beside it
    resources:
        mem_mb=memory(16000, beside=1.5),
        runtime=240,
    params:
        command=command(
            "latency",
            repeat("split", given.SPLITS),
            searched.latency_options,
            options(config["latency"]),
            k=config["retrieve"]["k"],
        ),
        files=files,
    shell:
        "{params.command} {params.files} --threads {threads} 2>&1 | tee {log}"


rule latencies:
    input:
        code=source_files("measure.speed"),
        table=datasets.each_dataset(rules.latency.output.out, among=given.texts),
        checked=figures.of_texts,
    output:
        out="reports/tables/latency.csv",
        made=touch("data/latency.made"),
    log:
        "logs/latencies.log",
    localrule: True  # seconds
    params:
        command=command("latencies"),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule scaling:
    input:
        code=source_files("measure.scaling"),
        checked=settings.divided,
    output:
        out="reports/tables/scaling.csv",
        machine="reports/machine/scaling.json",
        made=touch("data/scaling.made"),
    log:
        "logs/scaling.log",
    threads: workflow.cores  # nothing else may run beside it
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        command=command("scaling", options(config["scaling"])),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
