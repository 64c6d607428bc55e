# JPQ's ablation: figure 7.


use rule results as ablation_results with:
    input:
        code=code("measure.results"),
        values=expand(each_system(rules.measure.output.values, ABLATION), split=SPLITS),
        meta=each_system(rules.retrieve.output.meta, ABLATION),
    output:
        table="reports/tables/ablation.csv",
        made=touch("data/ablation.made"),
    log:
        "logs/ablation-results.log",
    benchmark:
        "logs/ablation-results.tsv"


rule figure7:
    input:
        code=code("report.figure7"),
        style="src/jointir/report/matplotlibrc",
        results=rules.ablation_results.output.table,
        made=rules.ablation_results.output.made,
    output:
        pdf=report(
            "reports/figure7.pdf",
            caption="../report/figure7.rst",
            category="Ablation",
        ),
        png="reports/figure7.png",
        table="reports/tables/ablation.md",
    log:
        "logs/figure7.log",
    benchmark:
        "logs/figure7.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir figure7 --results {input.results} --out {output.pdf} --png {output.png}"
        " --table {output.table} 2>&1 | tee {log}"
