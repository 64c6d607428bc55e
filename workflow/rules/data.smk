from workflow.plan import given
from workflow.plan.datasets import (
    collection_contents,
    collection_options,
    collection_source,
    dataset,
    download,
    source_files,
)
from workflow.scripts.inputs import contents


rule download:
    input:
        code=lambda w: source_files(download(w)["code"]),
        pins=lambda w: dataset(w)[download(w)["pins"]],
    output:
        source=directory("data/{dataset}/source"),
    log:
        "logs/{dataset}/download.log",
    localrule: True  # the internet is on the login node
    resources:
        mem_mb=500,
        runtime=30,
    params:
        stage=lambda w: download(w)["stage"],
        contents=lambda w, input: contents([input.pins]),
    shell:
        "jointir {params.stage} {input.pins:q} --out {output.source} 2>&1 | tee {log}"


rule corpus:
    input:
        code=lambda w: source_files(
            "data.corpus",
            {
                "apidocs": "data.apidocs",
                "medquad": "data.medquad",
                "beir": "data.beir",
                "ir_datasets": "data.irds",
            }[dataset(w)["kind"]],
        ),
        source=collection_source,
    output:
        collection=directory("data/{dataset}/collection"),
    log:
        "logs/{dataset}/corpus.log",
    wildcard_constraints:
        dataset=given.of_text,
    localrule: True  # ir_datasets downloads
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        options=collection_options,
        contents=collection_contents,
    shell:
        "jointir {params.options} --out {output.collection} 2>&1 | tee {log}"
