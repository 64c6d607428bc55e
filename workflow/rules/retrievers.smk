# Retrievers that JPQ is compared with: figure 1, tables 3 and 5. BM25 is in measure.smk.


rule dual:
    input:
        code=source_files("retrievers.dual"),
        collection="data/{dataset}/collection",
        model=lambda w: f"data/{w.dataset}/{start_of_dual(w)}/model",
        docs=docs_of_dual,
    output:
        model=directory("data/{dataset}/{encoder}/model"),
        curve="data/{dataset}/{encoder}/training.csv",
    log:
        "logs/{dataset}/{encoder}.log",
    benchmark:
        "logs/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=any_of(SYSTEMS.of_method("dual")),
    priority: 10  # long, and ANCE last of a chain: see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        gpu=0,
        mem_mb=memory(6000, collection=5),
        runtime=1440,
    params:
        training=lambda w: encoder_options(w.encoder),
        validation=lambda w: validation(w, "documents"),
        docs=lambda w, input: repeat("docs", input.docs),
        batch_tokens=config["embed"]["batch_tokens"],
        scratch="data/{dataset}/scratch/{encoder}",
    shell:
        "$([ {resources.gpu} -lt 2 ] || echo accelerate launch --multi_gpu --main_process_port 0"
        " --num_processes {resources.gpu} -m) jointir dual"
        " --collection {input.collection} --encoder {input.model}"
        " --out {output.model} --scratch {params.scratch} --batch-tokens {params.batch_tokens}"
        " --out-curve {output.curve} {params.docs} {params.training} {params.validation} 2>&1 | tee {log}"


rule simcse:
    input:
        code=source_files("retrievers.simcse"),
        collection="data/{dataset}/collection",
        model=lambda w: f"data/{w.dataset}/{start_of_dual(w)}/model",
    output:
        model=directory("data/{dataset}/{encoder}/model"),
        curve="data/{dataset}/{encoder}/training.csv",
    log:
        "logs/{dataset}/{encoder}.log",
    benchmark:
        "logs/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=any_of(SYSTEMS.of_method("simcse")),
    priority: 10  # see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        gpu=0,
        mem_mb=memory(6000, collection=5),
        runtime=1440,
    params:
        training=lambda w: encoder_options(w.encoder),
        validation=lambda w: validation(w, "documents"),
        scratch="data/{dataset}/scratch/{encoder}",
    shell:
        "$([ {resources.gpu} -lt 2 ] || echo accelerate launch --multi_gpu --main_process_port 0"
        " --num_processes {resources.gpu} -m) jointir simcse"
        " --collection {input.collection} --encoder {input.model}"
        " --out {output.model} --scratch {params.scratch} --out-curve {output.curve}"
        " {params.training} {params.validation} 2>&1 | tee {log}"


rule colbert:
    input:
        code=source_files("retrievers.colbert"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/pretrained/model",
    output:
        model=directory("data/{dataset}/{system}/model"),
        curve="data/{dataset}/{system}/training.csv",
    log:
        "logs/{dataset}/{system}.log",
    benchmark:
        "logs/{dataset}/{system}.tsv"
    wildcard_constraints:
        system=any_of(SYSTEMS.of_method("colbert")),
    priority: 10  # see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        mem_mb=memory(6000, collection=5),
        runtime=1440,
    params:
        training=lambda w: encoder_options(w.system),
        validation=lambda w: validation(w, "documents"),
        scratch="data/{dataset}/scratch/{system}",
    shell:
        "jointir colbert --collection {input.collection} --encoder {input.model}"
        " --out {output.model} --scratch {params.scratch} --out-curve {output.curve}"
        " {params.training} {params.validation} 2>&1 | tee {log}"


rule tct_colbert:
    input:
        code=source_files("retrievers.tct"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/pretrained/model",
        teacher=lambda w: f"data/{w.dataset}/{entry(w.encoder)['teacher']}/model",
    output:
        model=directory("data/{dataset}/{encoder}/model"),
        curve="data/{dataset}/{encoder}/training.csv",
    log:
        "logs/{dataset}/{encoder}.log",
    benchmark:
        "logs/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=any_of(SYSTEMS.of_method("tct-colbert")),
    priority: 10  # see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        mem_mb=memory(6000, collection=5),
        runtime=1440,
    params:
        training=lambda w: encoder_options(w.encoder),
        validation=lambda w: validation(w, "documents"),
        scratch="data/{dataset}/scratch/{encoder}",
    shell:
        "jointir tct-colbert --collection {input.collection} --encoder {input.model}"
        " --teacher {input.teacher} --out {output.model} --out-curve {output.curve}"
        " --scratch {params.scratch} {params.training} {params.validation} 2>&1 | tee {log}"


rule adore:
    input:
        code=source_files("retrievers.adore"),
        collection="data/{dataset}/collection",
        model=lambda w: f"data/{w.dataset}/{start_of_dual(w)}/model",
        docs=lambda w: f"data/{w.dataset}/{start_of_dual(w)}/docs.npy",
    output:
        model=directory("data/{dataset}/{encoder}/model"),
        curve="data/{dataset}/{encoder}/training.csv",
    log:
        "logs/{dataset}/{encoder}.log",
    benchmark:
        "logs/{dataset}/{encoder}.tsv"
    wildcard_constraints:
        encoder=any_of(SYSTEMS.of_method("adore")),
    priority: 10  # see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        gpu=0,
        mem_mb=memory(4000, docs=4),
        runtime=1440,
    params:
        training=lambda w: encoder_options(w.encoder),
        validation=validation,
        scratch="data/{dataset}/scratch/{encoder}",
    shell:
        "$([ {resources.gpu} -lt 2 ] || echo accelerate launch --multi_gpu --main_process_port 0"
        " --num_processes {resources.gpu} -m) jointir adore"
        " --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --out {output.model} --out-curve {output.curve}"
        " --scratch {params.scratch} {params.training} {params.validation} 2>&1 | tee {log}"


rule late_search:
    input:
        code=source_files("retrievers.late_search"),
        collection="data/{dataset}/collection",
        model=rules.colbert.output.model,
    output:
        runs=expand("data/{{dataset}}/runs/{{system}}/flat/{split}.trec.gz", split=SPLITS),
        meta="data/{dataset}/runs/{system}/flat/meta.json",
    log:
        "logs/{dataset}/{system}-search.log",
    benchmark:
        "logs/{dataset}/{system}-search.tsv"
    wildcard_constraints:
        system=any_of(SYSTEMS.of_method("colbert")),
    priority: 10  # see jpq
    conda:
        "../../environment.yml"
    threads: share(2)
    resources:
        mem_mb=memory(4000, collection=5),
        runtime=720,
    params:
        k=config["retrieve"]["k"],
        seed=lambda w: entry(w.system)["seed"],
        batch_tokens=config["embed"]["batch_tokens"],
        runs=lambda w, output: repeat("out", output.runs),
    shell:
        "jointir late-search --collection {input.collection} --model {input.model} {params.runs}"
        " --meta {output.meta} --dataset {wildcards.dataset} --system {wildcards.system}"
        " --seed {params.seed} --k {params.k} --batch-tokens {params.batch_tokens}"
        " 2>&1 | tee {log}"
