from workflow.plan import given
from workflow.plan.datasets import each_dataset, source_files
from workflow.plan.figures import of_texts
from workflow.plan.searched import latency_inputs, latency_options
from workflow.plan.settings import divided
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import repeat

# How fast every system is: figure 5, tables 1 and 2, and the synthetic ladder.


rule latency:
    input:
        systems=latency_inputs,
        code=source_files("measure.latency"),
        collection="data/{dataset}/collection",
    output:
        table="data/{dataset}/latency.csv",
        machine="reports/machine/{dataset}.json",
    log:
        "logs/{dataset}/latency.log",
    threads: workflow.cores  # nothing else may run beside it
    resources:
        mem_mb=memory(16000, systems=1.5),
        runtime=240,
    params:
        **config["latency"],
        k=config["retrieve"]["k"],
        splits=repeat("split", given.SPLITS),
        systems=latency_options,
    shell:
        "jointir latency --collection {input.collection} {params.splits} {params.systems}"
        " --out {output.table} --machine {output.machine} --batch {params.batch} --k {params.k}"
        " --threads {threads} --seconds {params.seconds} --least {params.least}"
        " --rounds {params.rounds} --seed {params.seed} 2>&1 | tee {log}"


rule latencies:
    input:
        code=source_files("measure.speed"),
        tables=each_dataset(rules.latency.output.table, among=given.texts),
        texts=of_texts,
    output:
        table="reports/tables/latency.csv",
        made=touch("data/latency.made"),
    log:
        "logs/latencies.log",
    localrule: True  # seconds
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        tables=lambda w, input: repeat("table", input.tables),
    shell:
        "jointir latencies {params.tables} --out {output.table} 2>&1 | tee {log}"


rule scale:
    input:
        code=source_files("measure.scale"),
        divided=divided,
    output:
        table="reports/tables/scale.csv",
        machine="reports/machine/scale.json",
        made=touch("data/scale.made"),
    log:
        "logs/scale.log",
    threads: workflow.cores  # nothing else may run beside it
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        **config["scale"],
        rungs=repeat("sizes", config["scale"]["sizes"]),
        widths=repeat("dims", config["scale"]["dims"]),
    shell:
        "jointir scale --out {output.table} --machine {output.machine} {params.rungs}"
        " {params.widths} --M {params.M} --nprobe {params.nprobe} --seconds {params.seconds}"
        " --least {params.least} --rounds {params.rounds} --seed {params.seed}"
        " 2>&1 | tee {log}"
