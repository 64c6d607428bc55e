rule download:
    input:
        code=code("data.download"),
        requirements=lambda w: dataset(w)["requirements"],
    output:
        wheels=directory("data/{dataset}/source"),
    log:
        "logs/{dataset}/download.log",
    benchmark:
        "logs/{dataset}/download.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=30,
    shell:
        "jointir download-wheels --requirements {input.requirements} --out {output.wheels}"
        " 2>&1 | tee {log}"


rule corpus:
    input:
        code=lambda w: code(
            "data.corpus",
            {"apidocs": "data.apidocs", "beir": "data.beir", "ir_datasets": "data.irds"}[
                dataset(w)["kind"]
            ],
        ),
        source=collection_source,
    output:
        collection=directory("data/{dataset}/collection"),
    log:
        "logs/{dataset}/corpus.log",
    benchmark:
        "logs/{dataset}/corpus.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        options=collection_options,
    shell:
        "jointir {params.options} --out {output.collection} 2>&1 | tee {log}"
