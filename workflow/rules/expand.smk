from workflow.plan import datasets, given, trainings
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import options

# Document expansion: queries that a generator writes for each document. BM25 and the generative models
# read them where their `expansion` says so.


rule doc2query:
    input:
        code=source_files("expand.training"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/star/model",
    output:
        out=directory("data/{dataset}/expand/generator"),
        out_curve="data/{dataset}/expand/training.csv",
    log:
        "logs/{dataset}/doc2query.log",
    wildcard_constraints:
        dataset=given.of_text,
    priority: 10  # trainings wait for it
    threads: 2
    resources:
        mem_mb=memory(8000, collection=5),
        runtime=720,
    params:
        command=command(
            "doc2query",
            lambda w: options(config["expand"]["train"]),
            lambda w: datasets.validated_by("queries"),
            seed=config["expand"]["seed"],
            scratch="data/{dataset}/scratch/doc2query",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule expand:
    input:
        code=source_files("expand.stage"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        generator=trainings.generator,
        beside=lambda w: datasets.seq2seq_files(),
    output:
        out=datasets.GENERATED,
        meta="data/{dataset}/expand/queries.json",
    log:
        "logs/{dataset}/expand.log",
    wildcard_constraints:
        dataset=given.of_text,
    priority: 10
    threads: 2
    resources:
        gpu=0,
        mem_mb=memory(5000, collection=5, docs=3),
        runtime=1440,
    params:
        command=command("expand", trainings.expansion_options),
        files=files,
        contents=lambda w: contents(datasets.seq2seq_files()),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
