rule build:
    input:
        code=code("search.build"),
        docs="data/{dataset}/star/docs.npy",
    output:
        index="data/{dataset}/systems/{system}/M{M}/index.faiss",
    log:
        "logs/{dataset}/{system}/M{M}-build.log",
    benchmark:
        "logs/{dataset}/{system}/M{M}-build.tsv"
    wildcard_constraints:
        system=any_of(BUILT),
    priority: 5  # jpq waits for opq
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(3000, docs=0.1),
        runtime=240,
    params:
        method=lambda w: SYSTEMS.methods[w.system],
        sample=lambda w: entry(w.system).get("sample", 0),
        iterations=lambda w: entry(w.system).get("iterations", 0),
        seed=lambda w: entry(w.system)["seed"],
        bits=lambda w: repeat(
            "bits", [entry(w.system)["bits"]] if "bits" in entry(w.system) else []
        ),
    shell:
        "jointir build --system {params.method} --docs {input.docs} --out {output.index}"
        " --M {wildcards.M} --sample {params.sample} --iterations {params.iterations}"
        " --seed {params.seed} {params.bits} 2>&1 | tee {log}"


rule brute_force:
    input:
        code=code("search.build"),
        docs="data/{dataset}/{encoder}/docs.npy",
    output:
        index="data/{dataset}/{encoder}/flat.faiss",
    log:
        "logs/{dataset}/{encoder}/brute-force.log",
    benchmark:
        "logs/{dataset}/{encoder}/brute-force.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000, docs=2),
        runtime=60,
    shell:
        "jointir build --system brute-force --docs {input.docs} --out {output.index}"
        " 2>&1 | tee {log}"
