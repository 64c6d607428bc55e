from workflow.plan import given
from workflow.plan.datasets import local_encoder, source_files, threads_each
from workflow.plan.figures import all_divided, all_settings
from workflow.plan.trained import embedding
from workflow.scripts.inputs import contents, encoder_files
from workflow.scripts.shell import options, repeat


rule checkpoint:
    input:
        code=source_files("encode.encoder"),
        weights=lambda w: local_encoder(),
    output:
        model=directory("data/{dataset}/pretrained/model"),
    log:
        "logs/{dataset}/checkpoint.log",
    wildcard_constraints:
        dataset=given.of_text,
    localrule: True  # hub ids are downloaded
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda w: options(config["encoder"]),  # a prompt may hold braces
        contents=lambda w: contents(encoder_files(config["encoder"]["checkpoint"])),
    shell:
        "jointir checkpoint --out {output.model} {params.settings} 2>&1 | tee {log}"


rule fits:
    input:
        code=source_files("search.preflight"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/pretrained/model",
        divided=all_divided,
    output:
        facts="data/{dataset}/fits/{figure}.json",
    log:
        "logs/{dataset}/fits-{figure}.log",
    wildcard_constraints:
        dataset=given.of_text,
    priority: 20  # before anything that takes long
    localrule: True  # seconds
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=lambda w: repeat("system", all_settings(w.figure)),
    shell:
        "jointir fits --collection {input.collection} --encoder {input.model}"
        " --out {output.facts} {params.systems} 2>&1 | tee {log}"


rule embed_documents:
    input:
        code=source_files("encode.embed"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/{encoder}/model",
    output:
        shard=temp("data/{dataset}/{encoder}/shards/{shard}.npy"),
        facts=temp("data/{dataset}/{encoder}/shards/{shard}.json"),
    log:
        "logs/{dataset}/{encoder}/embed-{shard}.log",
    priority: 25  # before the train queries: all else waits for these, and a core would, too
    threads: threads_each(config["embed"]["shards"])
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        shards=config["embed"]["shards"],
        embed=embedding(),
    shell:
        "jointir embed --collection {input.collection} --encoder {input.model}"
        " --out {output.shard} --kind document --shard {wildcards.shard}"
        " --shards {params.shards} {params.embed} 2>&1 | tee {log}"


rule gather:
    input:
        code=source_files("encode.shards"),
        shards=expand(
            rules.embed_documents.output.shard,
            shard=range(config["embed"]["shards"]),
            allow_missing=True,
        ),
        facts=expand(
            rules.embed_documents.output.facts,
            shard=range(config["embed"]["shards"]),
            allow_missing=True,
        ),
    output:
        docs="data/{dataset}/{encoder}/docs.npy",
        facts="data/{dataset}/{encoder}/docs.json",
    log:
        "logs/{dataset}/{encoder}/gather.log",
    wildcard_constraints:
        dataset=given.of_text,
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        shards=lambda w, input: repeat("shard", input.shards),
    shell:
        "jointir gather {params.shards} --out {output.docs} 2>&1 | tee {log}"


rule embed_queries:
    input:
        code=source_files("encode.embed"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/{encoder}/model",
    output:
        queries="data/{dataset}/{encoder}/queries.npy",
        facts="data/{dataset}/{encoder}/queries.json",
    log:
        "logs/{dataset}/{encoder}/queries.log",
    wildcard_constraints:
        dataset=given.of_text,
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        embed=embedding(given.SPLITS),
    shell:
        "jointir embed --collection {input.collection} --encoder {input.model}"
        " --out {output.queries} --kind query {params.embed} 2>&1 | tee {log}"


use rule embed_queries as embed_train_queries with:
    output:
        queries="data/{dataset}/{encoder}/train.npy",
        facts="data/{dataset}/{encoder}/train.json",
    log:
        "logs/{dataset}/{encoder}/train-queries.log",
    priority: 20  # `tune` waits for them, and all that is trained for `tune`
    params:
        embed=embedding(["train"]),
