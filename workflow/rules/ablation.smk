# JPQ's ablation: figure 7.


rule figure7:
    input:
        code=source_files("report.figure7"),
        style="src/jointir/report/matplotlibrc",
        results=lambda w: of_figure("figure7"),
        meta=each_system(rules.retrieve.output.meta, ABLATION),
        comparisons="reports/tables/comparisons-ablation.csv",
        compared="data/comparisons-ablation.made",
        made=lambda w: of_figure("figure7", "data/{table}.made"),
        steps_run=needed("figure7", "Figure 7", "jpq-neg", "jpq-loss"),
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
    params:
        results=lambda w, input: repeat("results", input.results),
        meta=lambda w, input: repeat("meta", input.meta),
    shell:
        "jointir figure7 {params.results} {params.meta} --comparisons {input.comparisons}"
        " --out {output.pdf} --png {output.png} --table {output.table} 2>&1 | tee {log}"


rule negatives:
    input:
        code=source_files("joint.negatives"),
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
        code=source_files("report.figure3"),
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
