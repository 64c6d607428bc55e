from workflow.plan import datasets, figures, given, trained
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.scripts.inputs import contents, encoder_files
from workflow.scripts.shell import options, repeat


rule checkpoint:
    input:
        code=source_files("encode.encoder"),
        beside=lambda w: datasets.local_encoder(),
    output:
        out=directory("data/{dataset}/pretrained/model"),
    log:
        "logs/{dataset}/checkpoint.log",
    wildcard_constraints:
        dataset=given.of_text,
    localrule: True  # hub ids are downloaded
    params:
        command=command("checkpoint", lambda w: options(config["encoder"])),
        files=files,
        contents=lambda w: contents(encoder_files(config["encoder"]["checkpoint"])),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule fits:
    input:
        code=source_files("search.preflight"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/pretrained/model",
        checked=figures.all_divided,
    output:
        out="data/{dataset}/fits/{figure}.json",
    log:
        "logs/{dataset}/fits-{figure}.log",
    wildcard_constraints:
        dataset=given.of_text,
    priority: 20  # before anything that takes long
    localrule: True  # seconds
    params:
        command=command("fits", lambda w: repeat("system", figures.all_settings(w.figure))),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule embed_documents:
    input:
        code=source_files("encode.embed"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/{encoder}/model",
    output:
        out=temp("data/{dataset}/{encoder}/shards/{shard}.npy"),
        beside=temp("data/{dataset}/{encoder}/shards/{shard}.json"),
    log:
        "logs/{dataset}/{encoder}/embed-{shard}.log",
    priority: 25  # before the train queries: all else waits for these, and a core would, too
    threads: datasets.threads_each(config["embed"]["shards"])
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        command=command(
            "embed",
            trained.embedding(),
            kind="document",
            shard="{shard}",
            shards=config["embed"]["shards"],
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule gather:
    input:
        code=source_files("encode.shards"),
        shard=trained.all_shards(rules.embed_documents.output.out),
        beside=trained.all_shards(rules.embed_documents.output.beside),
    output:
        out="data/{dataset}/{encoder}/docs.npy",
        beside="data/{dataset}/{encoder}/docs.json",
    log:
        "logs/{dataset}/{encoder}/gather.log",
    wildcard_constraints:
        dataset=given.of_text,
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        command=command("gather"),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule embed_queries:
    input:
        code=source_files("encode.embed"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/{encoder}/model",
    output:
        out="data/{dataset}/{encoder}/queries.npy",
        beside="data/{dataset}/{encoder}/queries.json",
    log:
        "logs/{dataset}/{encoder}/queries.log",
    wildcard_constraints:
        dataset=given.of_text,
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        command=command("embed", trained.embedding(given.SPLITS), kind="query"),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


use rule embed_queries as embed_train_queries with:
    output:
        out="data/{dataset}/{encoder}/train.npy",
        beside="data/{dataset}/{encoder}/train.json",
    log:
        "logs/{dataset}/{encoder}/train-queries.log",
    priority: 20  # `tune` waits for them, and all that is trained for `tune`
    params:
        command=command("embed", trained.embedding(["train"]), kind="query"),
        files=files,
