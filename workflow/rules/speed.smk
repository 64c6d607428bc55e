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
    benchmark:
        "logs/{dataset}/latency.tsv"
    conda:
        "../../environment.yml"
    threads: workflow.cores  # nothing else may run beside it
    resources:
        mem_mb=memory(16000, systems=1.5),
        runtime=240,
    params:
        **config["latency"],
        k=config["retrieve"]["k"],
        splits=repeat("split", SPLITS),
        systems=latency_options,
    shell:
        "jointir latency --collection {input.collection} {params.splits} {params.systems}"
        " --out {output.table} --machine {output.machine} --batch {params.batch} --k {params.k}"
        " --threads {threads} --seconds {params.seconds} --least {params.least}"
        " --rounds {params.rounds} --seed {params.seed} 2>&1 | tee {log}"


rule latencies:
    input:
        code=source_files("measure.speed"),
        tables=each_dataset(rules.latency.output.table, among=TEXTS),
        texts=of_texts,
    output:
        table="reports/tables/latency.csv",
        made=touch("data/latency.made"),
    log:
        "logs/latencies.log",
    benchmark:
        "logs/latencies.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        tables=lambda w, input: repeat("table", input.tables),
    shell:
        "jointir latencies {params.tables} --out {output.table} 2>&1 | tee {log}"


rule figure5:
    input:
        code=source_files("report.figure5"),
        style="src/jointir/report/matplotlibrc",
        results=lambda w: of_figure("figure5"),
        meta=each_system(rules.retrieve.output.meta, FIGURE5),
        latency=rules.latencies.output.table,
        made=lambda w: of_figure("figure5", "data/{table}.made"),
        timed=rules.latencies.output.made,
    output:
        pdf=report(
            "reports/figure5.pdf",
            caption="../report/figure5.rst",
            category="Effectiveness and speed",
        ),
        png="reports/figure5.png",
    log:
        "logs/figure5.log",
    benchmark:
        "logs/figure5.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        results=lambda w, input: repeat("results", input.results),
        meta=lambda w, input: repeat("meta", input.meta),
    shell:
        "jointir figure5 {params.results} {params.meta} --latency {input.latency}"
        " --out {output.pdf} --png {output.png} 2>&1 | tee {log}"


rule table1:
    input:
        code=source_files("report.speed_tables"),
        results=lambda w: of_figure("figure5"),
        meta=each_system(rules.retrieve.output.meta, FIGURE5),
        comparisons="reports/tables/comparisons-speed.csv",
        latency=rules.latencies.output.table,
        made=lambda w: of_figure("figure5", "data/{table}.made"),
        timed=["data/comparisons-speed.made", rules.latencies.output.made],
    output:
        csv="reports/table1.csv",
        md="reports/table1.md",
        tex="reports/table1.tex",
    log:
        "logs/table1.log",
    benchmark:
        "logs/table1.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **config["table1"],
        results=lambda w, input: repeat("results", input.results),
        meta=lambda w, input: repeat("meta", input.meta),
    shell:
        "jointir table1 {params.results} {params.meta} --comparisons {input.comparisons}"
        " --latency {input.latency} --M {params.M} --csv {output.csv} --md {output.md}"
        " --tex {output.tex} 2>&1 | tee {log}"


rule table2:
    input:
        code=source_files("report.speed_tables"),
        comparisons="reports/tables/comparisons-speed.csv",
        latency=rules.latencies.output.table,
        made=["data/comparisons-speed.made", rules.latencies.output.made],
    output:
        csv="reports/table2.csv",
        md="reports/table2.md",
        tex="reports/table2.tex",
    log:
        "logs/table2.log",
    benchmark:
        "logs/table2.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **config["table1"],
    shell:
        "jointir table2 --comparisons {input.comparisons} --latency {input.latency} --M {params.M}"
        " --csv {output.csv} --md {output.md} --tex {output.tex} 2>&1 | tee {log}"


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
    benchmark:
        "logs/scale.tsv"
    conda:
        "../../environment.yml"
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


rule figure_scale:
    input:
        code=source_files("report.figure_scale"),
        style="src/jointir/report/matplotlibrc",
        table=rules.scale.output.table,
        made=rules.scale.output.made,
    output:
        pdf=report(
            "reports/figure_scale.pdf",
            caption="../report/figure_scale.rst",
            category="Effectiveness and speed",
        ),
        png="reports/figure_scale.png",
    log:
        "logs/figure-scale.log",
    benchmark:
        "logs/figure-scale.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir figure-scale --table {input.table} --out {output.pdf} --png {output.png}"
        " 2>&1 | tee {log}"
