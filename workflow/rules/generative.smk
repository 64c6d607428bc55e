from workflow.plan import datasets, given, searched, trainings
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files, threads_each
from workflow.plan.settings import entry
from workflow.plan.trainings import TRAINED, VARIANTS, fitting, start
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options
from workflow.scripts.variants import batched, mixed, shaped, taught


rule asi:
    input:
        code=source_files("generative.asi"),
        checked=fitting(batched, shaped),
        collection="data/{dataset}/collection",
        encoder=lambda w: start(w.variant, "model"),
        docs=lambda w: start(w.variant, "docs.npy"),
        generated=lambda w: trainings.expansion(w.variant),
    output:
        out=directory(f"{TRAINED}/joint"),
        out_curve=f"{TRAINED}/joint.csv",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}.log",
    wildcard_constraints:
        variant=any_of(v for v in VARIANTS if not trainings.given_by(v)),
    priority: 5
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5, docs=3),
        runtime=1440,
    params:
        command=command(
            "asi",
            trainings.training_options,
            datasets.validation,
            seed="{seed}",
            scratch="data/{dataset}/scratch/{variant}-seed{seed}",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule assign_ids:
    input:
        code=source_files("generative.assign"),
        collection="data/{dataset}/collection",
        model=rules.asi.output.out,
    output:
        out=f"{TRAINED}/ids.parquet",
        docs=f"{TRAINED}/docs.npy",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
    wildcard_constraints:
        variant=any_of(v for v in VARIANTS if not trainings.given_by(v)),
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5),
        runtime=720,
    params:
        command=command("assign-ids", batch_tokens=config["embed"]["batch_tokens"]),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


for _stage, _module in trainings.GIVEN_BY.items():

    rule:
        name:
            _stage.replace("-", "_")
        input:
            code=source_files(_module),
            checked=fitting(shaped, taught),
            collection="data/{dataset}/collection",
            encoder=lambda w: start(w.variant, "model"),
            docs=lambda w: start(w.variant, "docs.npy"),
            generated=trainings.learned_from,
        output:
            out=directory(f"{TRAINED}/joint"),
            out_ids=f"{TRAINED}/ids.parquet",
        log:
            "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
        wildcard_constraints:
            variant=any_of(v for v in VARIANTS if trainings.given_by(v) == _stage),
        priority: 5
        threads: threads_each(2)
        resources:
            mem_mb=memory(4000, collection=5, docs=4),
            runtime=720,
        params:
            command=command(_stage, trainings.given_shape, trainings.given_options, seed="{seed}"),
            files=files,
        shell:
            "{params.command} {params.files} 2>&1 | tee {log}"


rule train_decoder:
    input:
        code=source_files("generative.train_decoder"),
        checked=fitting(mixed),
        collection="data/{dataset}/collection",
        model=f"{TRAINED}/joint",
        ids=f"{TRAINED}/ids.parquet",
        docs=trainings.own_docs,
        generated=lambda w: trainings.expansion(w.variant),
    output:
        out=directory(f"{TRAINED}/model"),
        out_curve=f"{TRAINED}/training.csv",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-train-decoder.log",
    priority: 5
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5, docs=3),
        runtime=1440,
    params:
        command=command(
            "train-decoder",
            lambda w: options(VARIANTS[w.variant]["train_decoder"]),
            trainings.shared_options,
            datasets.validation,
            seed="{seed}",
            scratch="data/{dataset}/scratch/{variant}-seed{seed}-train-decoder",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule generate:
    input:
        code=source_files("generative.generate"),
        collection="data/{dataset}/collection",
        model=rules.train_decoder.output.out,
        ids=rules.assign_ids.output.out,
        docs=trainings.own_docs,
    output:
        out=f"{TRAINED}/answers.parquet",
        runs=expand(f"{TRAINED}/hybrid/{{split}}.trec.gz", split=given.SPLITS, allow_missing=True),
        meta=f"{TRAINED}/meta.json",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-generate.log",
    resources:
        mem_mb=memory(3000, docs=1),
        runtime=240,
    params:
        command=command(
            "generate",
            dataset="{dataset}",
            system="{variant}",
            seed="{seed}",
            beam=lambda w: VARIANTS[w.variant]["beam"],
            hybrid_beam=lambda w: VARIANTS[w.variant]["hybrid_beam"],
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule measure_ids:
    input:
        code=source_files("measure.expectation"),
        collection="data/{dataset}/collection",
        ids=rules.assign_ids.output.out,
        answers=rules.generate.output.out,
        runs=rules.generate.output.runs,
    output:
        out=f"{TRAINED}/values.parquet",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-measure.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        command=command("measure-ids"),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
