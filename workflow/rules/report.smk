rule sizes:
    input:
        code=source_files("report.tables"),
        meta=each_system(rules.retrieve.output.meta),
    output:
        table="reports/tables/sizes.csv",
    log:
        "logs/sizes.log",
    benchmark:
        "logs/sizes.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        meta=lambda w, input: repeat("meta", input.meta),
    shell:
        "jointir sizes {params.meta} --out {output.table} 2>&1 | tee {log}"


rule metrics:
    input:
        code=source_files("report.tables"),
        results="reports/tables/results.csv",
        made="data/results.made",
    output:
        metrics="reports/metrics/effectiveness.json",
    log:
        "logs/metrics.log",
    benchmark:
        "logs/metrics.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir metrics-json --results {input.results} --out {output.metrics} 2>&1 | tee {log}"


rule pays:
    input:
        code=source_files("report.pays"),
        groups=rules.groups.output.table,
        made=rules.groups.output.made,
    output:
        text="reports/tables/pays.md",
    log:
        "logs/pays.log",
    benchmark:
        "logs/pays.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=lambda w: repeat("system", of_jpq()),
    shell:
        "jointir pays --groups {input.groups} {params.systems} --out {output.text} 2>&1 | tee {log}"


rule figure4_table:
    input:
        code=source_files("report.tables"),
        results="reports/tables/results.csv",
        comparisons="reports/tables/comparisons.csv",
        groups=rules.groups.output.table,
        made=["data/results.made", "data/comparisons.made", rules.groups.output.made],
        sizes=rules.sizes.output.table,
        pays=rules.pays.output.text,
        star=each_dataset(rules.compare_star.output.comparison, among=TEXTS)
        + each_dataset(rules.compare_distilled.output.comparison, among=VECTORS),
    output:
        table="reports/tables/figure4.md",
    log:
        "logs/figure4-table.log",
    benchmark:
        "logs/figure4-table.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        star=lambda w, input: repeat("star", input.star),
        systems=lambda w: repeat("system", of_jpq()),
    shell:
        "jointir figure4-table --results {input.results} --comparisons {input.comparisons}"
        " --sizes {input.sizes} --groups {input.groups} --pays {input.pays} {params.star}"
        " {params.systems} --out {output.table}"
        " 2>&1 | tee {log}"


rule groups_table:
    input:
        code=source_files("report.group_table"),
        groups=rules.groups.output.table,
        made=rules.groups.output.made,
    output:
        table="reports/tables/groups.md",
    log:
        "logs/groups-table.log",
    benchmark:
        "logs/groups-table.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir groups-table --groups {input.groups} --out {output.table} 2>&1 | tee {log}"


rule figure_training:
    input:
        code=source_files("report.figure_training"),
        style="src/jointir/report/matplotlibrc",
        curves=list(curves()),
    output:
        pdf=report(
            "reports/figure_training.pdf",
            caption="../report/figure_training.rst",
            category="Effectiveness and index size",
        ),
        png="reports/figure_training.png",
    log:
        "logs/figure-training.log",
    benchmark:
        "logs/figure-training.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        curves=lambda w, input: repeat("curve", input.curves),
        names=repeat("name", curves().values()),
    shell:
        "jointir figure-training {params.curves} {params.names} --out {output.pdf}"
        " --png {output.png} 2>&1 | tee {log}"


rule figure4:
    input:
        code=source_files("report.figure4"),
        style="src/jointir/report/matplotlibrc",
        results="reports/tables/results.csv",
        made="data/results.made",
        # not drawn: who asks for the figure gets its numbers too
        table=rules.figure4_table.output.table,
        groups=rules.groups_table.output.table,
        metrics=rules.metrics.output.metrics,
        training=rules.figure_training.output.pdf,
        pays=rules.pays.output.text,  # printed: the last words of who asks for the figure
    output:
        pdf=report(
            "reports/figure4.pdf",
            caption="../report/figure4.rst",
            category="Effectiveness and index size",
        ),
        png="reports/figure4.png",
    log:
        "logs/figure4.log",
    benchmark:
        "logs/figure4.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=lambda w: repeat("system", config["figure4"]["systems"]),
    shell:
        "(jointir figure4 --results {input.results} --out {output.pdf} --png {output.png}"
        " {params.systems}"
        " && cat {input.pays}) 2>&1 | tee {log}"
