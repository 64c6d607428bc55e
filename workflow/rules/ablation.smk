# JPQ's ablation: figure 7.


use rule results as ablation_results with:
    input:
        code=code("measure.results"),
        values=expand(each_system(MEASURED, ABLATION), split=SPLITS),
        meta=each_system(rules.retrieve.output.meta, ABLATION),
        fits=each_dataset("data/{dataset}/fits/figure7.json", among=TEXTS),
        texts=of_texts,
    output:
        table="reports/tables/ablation.csv",
        made=touch("data/ablation.made"),
    log:
        "logs/ablation-results.log",
    benchmark:
        "logs/ablation-results.tsv"


rule ablation_steps:
    input:
        code=code("measure.steps"),
        values=rules.ablation_results.input.values,
        meta=rules.ablation_results.input.meta,
    output:
        table="reports/tables/ablation_steps.csv",
        made=touch("data/ablation-steps.made"),  # see `results`
    log:
        "logs/ablation-steps.log",
    benchmark:
        "logs/ablation-steps.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        values=rules.ablation_results.params.values,
        meta=rules.ablation_results.params.meta,
    shell:
        "jointir steps {params.values} {params.meta} --out {output.table} 2>&1 | tee {log}"


rule figure7:
    input:
        code=code("report.figure7"),
        style="src/jointir/report/matplotlibrc",
        results=rules.ablation_results.output.table,
        steps=rules.ablation_steps.output.table,
        made=[rules.ablation_results.output.made, rules.ablation_steps.output.made],
        steps_run=all_steps,
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
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir figure7 --results {input.results} --steps {input.steps} --out {output.pdf}"
        " --png {output.png} --table {output.table} 2>&1 | tee {log}"


rule negatives:
    input:
        code=code("joint.negatives"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        index=lambda w: expand("data/{{dataset}}/systems/opq/M{M}/index.faiss", M=widths("opq")),
        swept=lambda w: swept("negatives"),
    output:
        overlap="data/{dataset}/negatives.csv",
        drawn="data/{dataset}/negatives.parquet",
    log:
        "logs/{dataset}/negatives.log",
    benchmark:
        "logs/{dataset}/negatives.tsv"
    priority: 5  # long, too: at the end it would run alone
    conda:
        "../../environment.yml"
    threads: share(2)  # of two it uses little more than one
    resources:
        mem_mb=memory(4000, docs=4),
        runtime=240,
    params:
        **config["negatives"],
        mined_from=lambda w: entry("jpq")["mined_from"],
        batch_tokens=config["embed"]["batch_tokens"],
        index=lambda w, input: repeat("index", input.index),
    shell:
        "jointir negatives --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} {params.index} --out {output.overlap} --drawn {output.drawn}"
        " --n {params.n} --M {params.M} --seed {params.seed} --mined-from {params.mined_from}"
        " --batch-tokens {params.batch_tokens} 2>&1 | tee {log}"


rule figure3:
    input:
        code=code("report.figure3"),
        style="src/jointir/report/matplotlibrc",
        overlap=each_dataset(rules.negatives.output.overlap, among=TEXTS),
        drawn=each_dataset(rules.negatives.output.drawn, among=TEXTS),
        texts=of_texts,
    output:
        pdf=report(
            "reports/figure3.pdf",
            caption="../report/figure3.rst",
            category="Ablation",
        ),
        png="reports/figure3.png",
    log:
        "logs/figure3.log",
    benchmark:
        "logs/figure3.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        files=lambda w, input: " ".join(
            [repeat("overlap", input.overlap), repeat("drawn", input.drawn)]
        ),
    shell:
        "jointir figure3 {params.files} --out {output.pdf} --png {output.png} 2>&1 | tee {log}"
