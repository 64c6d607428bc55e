from workflow.plan import datasets, given
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents


rule download:
    input:
        code=lambda w: source_files(datasets.download(w)["code"]),
        pins=datasets.pins,
    output:
        source=directory("data/{dataset}/source"),
    log:
        "logs/{dataset}/download.log",
    localrule: True  # the internet is on the login node
    params:
        stage=lambda w: datasets.download(w)["stage"],
        contents=lambda w: contents([datasets.pins(w)]),
    shell:
        "jointir {params.stage} {input.pins:q} --out {output.source} 2>&1 | tee {log}"


rule corpus:
    input:
        code=lambda w: source_files("data.corpus", datasets.CORPUS[datasets.dataset(w)["kind"]]),
        source=datasets.collection_source,
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
        options=datasets.collection_options,
        contents=datasets.collection_contents,
    shell:
        "jointir {params.options} --out {output.collection} 2>&1 | tee {log}"
