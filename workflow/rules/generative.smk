VARIANTS = {v: config["asi"]["variants"].get(v) for v in config["asi"]["run"]}
for _name, _settings in VARIANTS.items():
    if _settings is None:
        _known = sorted(config["asi"]["variants"])
        raise WorkflowError(f"asi.run: {_name!r} is not under asi.variants: choose of {_known}")

TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
OWN = {"variants", "run", "seeds", "start", "beam"}  # of `asi`: not options of the training


def training_options(wildcards):
    """Return the options of `jointir asi` that a variant's settings give."""
    settings = {k: v for k, v in config["asi"].items() if k not in OWN}
    return options(settings | VARIANTS[wildcards.variant])


def options(settings):
    """Return --name value for each setting, --name or --no-name for those that are on or off."""
    names = {k: k.replace("_", "-") for k in settings}
    return " ".join(
        f"--{'' if v else 'no-'}{names[k]}" if isinstance(v, bool) else f"--{names[k]} {v}"
        for k, v in settings.items()
    )


def each_training(pattern, only="", **others):
    """Return `pattern` for every dataset, variant and seed, and all combinations of `others`.

    only: a setting; variants that do not have it are left out.
    """
    variants = [v for v, own in VARIANTS.items() if not only or own.get(only)]
    seeds = config["asi"]["seeds"]
    return expand(str(pattern), dataset=DATASETS, variant=variants, seed=seeds, **others)


rule asi:
    input:
        code=code("generative.asi"),
        collection="data/{dataset}/collection",
        model=f"data/{{dataset}}/{config['asi']['start']}/model",
        docs=f"data/{{dataset}}/{config['asi']['start']}/docs.npy",
    output:
        model=directory(f"{TRAINED}/model"),
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}.log",
    benchmark:
        "logs/{dataset}/generative/{variant}-seed{seed}.tsv"
    priority: 5
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        training=training_options,
        scratch="data/{dataset}/scratch/{variant}-seed{seed}",
    shell:
        "jointir asi {params.training} --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --out {output.model} --scratch {params.scratch}"
        " --seed {wildcards.seed} 2>&1 | tee {log}"


rule assign_ids:
    input:
        code=code("generative.assign"),
        collection="data/{dataset}/collection",
        model=rules.asi.output.model,
    output:
        ids=f"{TRAINED}/ids.parquet",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
    benchmark:
        "logs/{dataset}/generative/{variant}-seed{seed}-ids.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        batch_tokens=config["embed"]["batch_tokens"],
    shell:
        "jointir assign-ids --collection {input.collection} --model {input.model}"
        " --out {output.ids} --batch-tokens {params.batch_tokens} 2>&1 | tee {log}"


rule generate:
    input:
        code=code("generative.generate"),
        collection="data/{dataset}/collection",
        model=rules.asi.output.model,
        ids=rules.assign_ids.output.ids,
    output:
        answers=expand(
            f"{TRAINED}/{{decoding}}/{{split}}.parquet", split=SPLITS, allow_missing=True
        ),
        meta=f"{TRAINED}/{{decoding}}/meta.json",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-{decoding}.log",
    benchmark:
        "logs/{dataset}/generative/{variant}-seed{seed}-{decoding}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        beam=config["asi"]["beam"],
        constrained=lambda w: "--constrained" if w.decoding == "constrained" else "--no-constrained",
        out=lambda w, output: " ".join(f"--out {o}" for o in output.answers),
    shell:
        "jointir generate --collection {input.collection} --model {input.model} --ids {input.ids}"
        " {params.out} --meta {output.meta} --dataset {wildcards.dataset}"
        " --system {wildcards.variant} --seed {wildcards.seed} --beam {params.beam}"
        " {params.constrained}"
        " 2>&1 | tee {log}"


rule measure_ids:
    input:
        code=code("measure.expectation"),
        collection="data/{dataset}/collection",
        ids=rules.assign_ids.output.ids,
        answers=f"{TRAINED}/{{decoding}}/{{split}}.parquet",
    output:
        values=f"{TRAINED}/{{decoding}}/values-{{split}}.parquet",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-{decoding}-{split}.log",
    benchmark:
        "logs/{dataset}/generative/{variant}-seed{seed}-{decoding}-{split}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "jointir measure-ids --generated {input.answers} --ids {input.ids}"
        " --qrels {input.collection}/qrels/{wildcards.split}.trec --out {output.values}"
        " 2>&1 | tee {log}"
