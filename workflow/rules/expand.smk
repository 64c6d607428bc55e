from workflow.plan import given
from workflow.plan.datasets import seq2seq_files, source_files
from workflow.plan.trainings import GENERATED, generated_by, generator
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import options

# Document expansion: queries that a generator writes for each document. BM25 and the generative models
# read them where their `expansion` says so.


rule doc2query:
    input:
        code=source_files("expand.training"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
    output:
        model=directory("data/{dataset}/expand/generator"),
        curve="data/{dataset}/expand/training.csv",
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
        training=lambda w: options(config["expand"]["train"]),
        validation=lambda w: options(
            {
                "validate_every": config["validation"]["every"],
                "patience": config["validation"]["patience"],
                "dev_queries": config["validation"]["queries"],
            }
        ),
        seed=config["expand"]["seed"],
        scratch="data/{dataset}/scratch/doc2query",
    shell:
        "jointir doc2query --collection {input.collection} --encoder {input.model}"
        " --out {output.model} --out-curve {output.curve} --scratch {params.scratch}"
        " {params.training} --seed {params.seed} {params.validation} 2>&1 | tee {log}"


rule expand:
    input:
        code=source_files("expand.stage"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        generator=generator,
        weights=lambda w: seq2seq_files(),
    output:
        queries=GENERATED,
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
        generator=generated_by,
        settings=lambda w: options(
            {name: config["expand"][name] for name in ("queries", "top_k", "depth", "seed")}
        ),
        contents=lambda w: contents(seq2seq_files()),
    shell:
        "jointir expand --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --out {output.queries} --meta {output.meta} {params.generator}"
        " {params.settings} 2>&1 | tee {log}"
