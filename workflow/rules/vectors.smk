from workflow.plan import given
from workflow.plan.datasets import source_files, validation, vectors_of, vectors_options
from workflow.plan.figures import all_settings
from workflow.plan.trained import start_of
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat

# Datasets that are given as vectors (given.vectors): what others embed is what the user brings, and what
# others train with the query encoder is trained alone.


rule vectors:
    input:
        unpack(vectors_of),
        code=source_files("data.embedded"),
    output:
        collection=directory("data/{dataset}/collection"),
        docs="data/{dataset}/star/docs.npy",
        queries="data/{dataset}/star/queries.npy",
        train="data/{dataset}/star/train.npy",
        facts=multiext("data/{dataset}/star/", "docs.json", "queries.json", "train.json"),
    log:
        "logs/{dataset}/corpus.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
    threads: 2
    resources:
        mem_mb=memory(3000, queries=3),
        runtime=720,
    params:
        options=vectors_options,
        contents=lambda w: contents(sum(vectors_of(w).values(), [])),
    shell:
        "jointir corpus-vectors {params.options} --out {output.collection}"
        " --out-docs {output.docs} --out-queries {output.queries} --out-train {output.train}"
        " 2>&1 | tee {log}"


use rule fits as fits_vectors with:
    input:
        code=source_files("search.preflight"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/docs.json",
    log:
        "logs/{dataset}/fits-{figure}.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
        figure="figure4",
    params:
        systems=lambda w: repeat("system", all_settings(w.figure, of_vectors=True)),


rule distill:
    input:
        code=source_files("joint.distill"),
        collection="data/{dataset}/collection",
        docs="data/{dataset}/star/docs.npy",
        train="data/{dataset}/star/train.npy",
        queries="data/{dataset}/star/queries.npy",
        index=start_of,
    output:
        index="data/{dataset}/systems/{system}/{setting}/index.faiss",
        curve="data/{dataset}/systems/{system}/{setting}/training.csv",
    log:
        "logs/{dataset}/{system}/{setting}.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
        system=any_of(given.systems.of_method("jpq")),
        setting=r"M\d+",
    priority: 10
    threads: 1
    resources:
        mem_mb=memory(3000, index=2, train=2),
        runtime=720,
    params:
        training=options(config["distill"]),
        validation=validation,
        scratch="data/{dataset}/scratch/{system}-{setting}",
    shell:
        "jointir distill --collection {input.collection} --docs {input.docs}"
        " --train-queries {input.train} --queries {input.queries} --index {input.index}"
        " --out-index {output.index} --out-curve {output.curve} --scratch {params.scratch}"
        " {params.training} {params.validation} 2>&1 | tee {log}"
