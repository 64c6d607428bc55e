from workflow.plan import datasets, given
from workflow.plan.command import command, files_but
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents


rule download:
    input:
        code=lambda w: source_files(datasets.download(w)["code"]),
        pins=datasets.pins,
    output:
        out=directory("data/{dataset}/source"),
    log:
        "logs/{dataset}/download.log",
    localrule: True  # the internet is on the login node
    params:
        command=command(datasets.download_options),
        files=files_but("pins"),
        contents=lambda w: contents([datasets.pins(w)]),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule corpus:
    input:
        code=lambda w: source_files("data.corpus", datasets.CORPUS[datasets.dataset(w)["kind"]]),
        source=datasets.collection_source,
    output:
        out=directory("data/{dataset}/collection"),
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
        command=command(datasets.collection_options),
        files=files_but("source"),
        contents=datasets.collection_contents,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
