rule jpq:
    input:
        code=code("joint.jpq"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        index="data/{dataset}/systems/opq/M{M}/index.faiss",
    output:
        index="data/{dataset}/systems/jpq/M{M}/index.faiss",
        model=directory("data/{dataset}/systems/jpq/M{M}/query_encoder"),
    log:
        "logs/{dataset}/jpq/M{M}.log",
    benchmark:
        "logs/{dataset}/jpq/M{M}.tsv"
    priority: 10  # the longest jobs first, or the last of them runs alone
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=1440,
    params:
        **config["jpq"],
        scratch="data/{dataset}/scratch/jpq-M{M}",
    shell:
        "jointir jpq --collection {input.collection} --encoder {input.model}"
        " --index {input.index} --out-index {output.index} --out-encoder {output.model}"
        " --scratch {params.scratch} --steps {params.steps} --batch {params.batch}"
        " --negatives {params.negatives} --lr {params.lr} --centroid-lr {params.centroid_lr}"
        " --warmup {params.warmup} --lambda-cut {params.lambda_cut} --scale {params.scale}"
        " --seed {params.seed} --checkpoint-minutes {params.checkpoint_minutes}"
        " 2>&1 | tee {log}"
