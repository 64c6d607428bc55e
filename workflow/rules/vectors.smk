from workflow.plan import datasets, figures, given, trained
from workflow.plan.command import command, files, files_but
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat

# Datasets that are given as vectors (given.vectors): what others embed is what the user brings, and what
# others train with the query encoder is trained alone.


rule vectors:
    input:
        unpack(datasets.vectors_of),
        code=source_files("data.embedded"),
    output:
        out=directory("data/{dataset}/collection"),
        out_docs="data/{dataset}/star/docs.npy",
        out_queries="data/{dataset}/star/queries.npy",
        out_train="data/{dataset}/star/train.npy",
        beside=multiext("data/{dataset}/star/", "docs.json", "queries.json", "train.json"),
    log:
        "logs/{dataset}/corpus.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
    threads: 2
    resources:
        mem_mb=memory(3000, queries=3),
        runtime=720,
    params:
        command=command("corpus-vectors", datasets.vectors_options),
        files=files_but("docs", "queries", "qrels"),
        contents=lambda w: contents(sum(datasets.vectors_of(w).values(), [])),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


use rule fits as fits_vectors with:
    input:
        code=source_files("search.preflight"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/star/docs.json",
    log:
        "logs/{dataset}/fits-{figure}.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
        figure="figure4",
    localrule: True  # which `use rule` does not take over
    params:
        command=command(
            "fits", lambda w: repeat("system", figures.all_settings(w.figure, of_vectors=True))
        ),
        files=files,


rule distill:
    input:
        code=source_files("joint.distill"),
        collection="data/{dataset}/collection",
        docs="data/{dataset}/star/docs.npy",
        train_queries="data/{dataset}/star/train.npy",
        queries="data/{dataset}/star/queries.npy",
        index=trained.start_of,
    output:
        out_index="data/{dataset}/systems/{system}/{setting}/index.faiss",
        out_curve="data/{dataset}/systems/{system}/{setting}/training.csv",
    log:
        "logs/{dataset}/{system}/{setting}.log",
    wildcard_constraints:
        dataset=any_of(given.vectors),
        system=any_of(given.systems.of_method("jpq")),
        setting=r"M\d+",
    priority: 10
    threads: 1
    resources:
        mem_mb=memory(3000, index=2, train_queries=2),
        runtime=720,
    params:
        command=command(
            "distill",
            options(config["distill"]),
            datasets.validation,
            scratch="data/{dataset}/scratch/{system}-{setting}",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
