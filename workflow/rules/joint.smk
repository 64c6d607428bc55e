rule tune:
    input:
        code=source_files("joint.tune"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        teacher="data/{dataset}/star/train.npy",
        index=lambda w: f"data/{w.dataset}/systems/{entry('jpq')['start']}/M{middle()}/index.faiss",
    output:
        chosen="data/{dataset}/tune/jpq.json",
    log:
        "logs/{dataset}/tune.log",
    benchmark:
        "logs/{dataset}/tune.tsv"
    priority: 20  # every training of JPQ waits for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(4000, index=2),
        runtime=240,
    params:
        training=lambda w: tune_options(),
        candidates=repeat("candidate", candidates()),
        measured=lambda w: measured(w),
        queries=config["tune"]["queries"],
        scratch="data/{dataset}/scratch/tune",
    shell:
        "jointir tune --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --teacher {input.teacher} --index {input.index}"
        " --out {output.chosen} --scratch {params.scratch} {params.candidates}"
        " {params.training} {params.measured} --dev-queries {params.queries} 2>&1 | tee {log}"


rule jpq:
    input:
        code=source_files("joint.jpq"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs=lambda w: embedded(w, "docs.npy", "exact", "reconstruction", "distillation"),
        teacher=lambda w: embedded(w, "train.npy", "distillation"),
        tuned=tuned,
        index=start_of,
    output:
        index="data/{dataset}/systems/{system}/M{M}/index.faiss",
        model=directory("data/{dataset}/systems/{system}/M{M}/query_encoder"),
        curve="data/{dataset}/systems/{system}/M{M}/training.csv",
    log:
        "logs/{dataset}/{system}/M{M}.log",
    benchmark:
        "logs/{dataset}/{system}/M{M}.tsv"
    wildcard_constraints:
        dataset=OF_TEXT,
        system=any_of(SYSTEMS.of_method("jpq")),
    priority: 10  # the longest jobs first, or the last of them runs alone
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000, index=2),
        runtime=1440,
    params:
        training=jpq_options,
        read=lambda w, input: " ".join(
            repeat(name, input[name]) for name in ("docs", "teacher", "tuned")
        ),
        validation=validation,
        scratch="data/{dataset}/scratch/{system}-M{M}",
    shell:
        "$([ {resources.gpu} -lt 2 ] || echo accelerate launch --multi_gpu --main_process_port 0"
        " --num_processes {resources.gpu} -m) jointir jpq"
        " --collection {input.collection} --encoder {input.model}"
        " --index {input.index} --out-index {output.index} --out-encoder {output.model}"
        " --out-curve {output.curve} --scratch {params.scratch} {params.training}"
        " {params.read} {params.validation} 2>&1 | tee {log}"


use rule jpq as jpq_variant with:
    input:
        code=source_files("joint.jpq"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs=lambda w: embedded(w, "docs.npy", "exact", "reconstruction", "distillation"),
        teacher=lambda w: embedded(w, "train.npy", "distillation"),
        tuned=tuned,
        index=start_of,
    output:
        index="data/{dataset}/systems/{system}/M{M}-seed{seed}/index.faiss",
        model=directory("data/{dataset}/systems/{system}/M{M}-seed{seed}/query_encoder"),
        curve="data/{dataset}/systems/{system}/M{M}-seed{seed}/training.csv",
    log:
        "logs/{dataset}/{system}/M{M}-seed{seed}.log",
    benchmark:
        "logs/{dataset}/{system}/M{M}-seed{seed}.tsv"
    wildcard_constraints:
        system=any_of(SYSTEMS.of_method("jpq")),
    params:
        training=jpq_options,
        read=lambda w, input: " ".join(
            repeat(name, input[name]) for name in ("docs", "teacher", "tuned")
        ),
        validation=validation,
        scratch="data/{dataset}/scratch/{system}-M{M}-seed{seed}",


rule dpq:
    input:
        code=source_files("joint.dpq"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        index=start_of,
    output:
        index="data/{dataset}/systems/{system}/M{M}/index.faiss",
        model=directory("data/{dataset}/systems/{system}/M{M}/query_encoder"),
        curve="data/{dataset}/systems/{system}/M{M}/training.csv",
    log:
        "logs/{dataset}/{system}/M{M}.log",
    benchmark:
        "logs/{dataset}/{system}/M{M}.tsv"
    wildcard_constraints:
        system=any_of(SYSTEMS.of_method("dpq")),
    priority: 10
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(4000, index=2),
        runtime=1440,
    params:
        training=dpq_options,
        validation=validation,
        scratch="data/{dataset}/scratch/{system}-M{M}",
    shell:
        "jointir dpq --collection {input.collection} --encoder {input.model} --docs {input.docs}"
        " --index {input.index} --out-index {output.index} --out-encoder {output.model}"
        " --out-curve {output.curve} --scratch {params.scratch} {params.training}"
        " {params.validation} 2>&1 | tee {log}"
