from workflow.plan import given
from workflow.plan.datasets import source_files, threads_each
from workflow.plan.settings import entry
from workflow.plan.trainings import (
    TRAINED,
    VARIANTS,
    expansion,
    fitting,
    fixed_shape,
    has_given_ids,
    of_kinds,
    own_docs,
    start,
    training_options,
)
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat
from workflow.scripts.variants import LEARNED, batched, mixed, shaped, taught


rule asi:
    input:
        code=source_files("generative.asi"),
        batched=fitting(batched),
        shaped=fitting(shaped),
        collection="data/{dataset}/collection",
        model=lambda w: start(w.variant, "model"),
        docs=lambda w: start(w.variant, "docs.npy"),
        generated=lambda w: expansion(w.variant),
    output:
        model=directory(f"{TRAINED}/joint"),
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}.log",
    wildcard_constraints:
        variant=any_of(v for v in VARIANTS if not has_given_ids(v)),
    priority: 5
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5, docs=3),
        runtime=1440,
    params:
        training=training_options,
        generated=lambda w, input: repeat("generated", input.generated),
        scratch="data/{dataset}/scratch/{variant}-seed{seed}",
    shell:
        "jointir asi {params.training} --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --out {output.model} --scratch {params.scratch}"
        " {params.generated} --seed {wildcards.seed} 2>&1 | tee {log}"


rule assign_ids:
    input:
        code=source_files("generative.assign"),
        collection="data/{dataset}/collection",
        model=rules.asi.output.model,
    output:
        ids=f"{TRAINED}/ids.parquet",
        docs=f"{TRAINED}/docs.npy",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
    wildcard_constraints:
        variant=any_of(v for v in VARIANTS if not has_given_ids(v)),
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5),
        runtime=720,
    params:
        batch_tokens=config["embed"]["batch_tokens"],
    shell:
        "jointir assign-ids --collection {input.collection} --model {input.model}"
        " --out {output.ids} --docs {output.docs} --batch-tokens {params.batch_tokens} 2>&1 | tee {log}"


rule fixed_ids:
    input:
        code=source_files("generative.controls"),
        shaped=fitting(shaped),
        collection="data/{dataset}/collection",
        model=lambda w: start(w.variant, "model"),
        docs=lambda w: start(w.variant, "docs.npy"),
    output:
        model=directory(f"{TRAINED}/joint"),
        ids=f"{TRAINED}/ids.parquet",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
    wildcard_constraints:
        variant=any_of(v for v in VARIANTS if has_given_ids(v) and v not in of_kinds(*LEARNED)),
    resources:
        mem_mb=memory(4000, docs=4),
        runtime=60,
    params:
        kind=lambda w: VARIANTS[w.variant]["given"],
        shape=fixed_shape,
    shell:
        "jointir fixed-ids --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} --out {output.model} --ids {output.ids} --kind {params.kind}"
        " {params.shape} --seed {wildcards.seed} 2>&1 | tee {log}"


for _kind in LEARNED:

    rule:
        name:
            _kind
        input:
            code=source_files(f"generative.{_kind}"),
            shaped=fitting(shaped),
            taught=fitting(taught),
            collection="data/{dataset}/collection",
            model=lambda w: start(w.variant, "model"),
            docs=lambda w: start(w.variant, "docs.npy"),
            generated=lambda w: expansion(w.variant),
        output:
            model=directory(f"{TRAINED}/joint"),
            ids=f"{TRAINED}/ids.parquet",
        log:
            "logs/{dataset}/generative/{variant}-seed{seed}-ids.log",
        wildcard_constraints:
            variant=any_of(of_kinds(_kind)),
        priority: 5
        threads: threads_each(2)
        resources:
            mem_mb=memory(4000, collection=5, docs=4),
            runtime=720,
        params:
            shape=fixed_shape,
            training=lambda w: options(VARIANTS[w.variant][VARIANTS[w.variant]["given"]]),
            stage=_kind,
            generated=lambda w, input: repeat("generated", input.generated),
            holdout=lambda w: VARIANTS[w.variant]["holdout"],
            minutes=lambda w: VARIANTS[w.variant]["checkpoint_minutes"],
            scratch="data/{dataset}/scratch/{variant}-seed{seed}-ids",
        shell:
            "jointir {params.stage} --collection {input.collection} --encoder {input.model} --docs {input.docs}"
            " --out {output.model} --out-ids {output.ids} --scratch {params.scratch} {params.shape}"
            " {params.training} --holdout {params.holdout} --checkpoint-minutes {params.minutes}"
            " {params.generated} --seed {wildcards.seed} 2>&1 | tee {log}"


rule train_decoder:
    input:
        code=source_files("generative.train_decoder"),
        mixed=fitting(mixed),
        collection="data/{dataset}/collection",
        model=f"{TRAINED}/joint",
        ids=f"{TRAINED}/ids.parquet",
        docs=own_docs,
        generated=lambda w: expansion(w.variant),
    output:
        model=directory(f"{TRAINED}/model"),
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-train-decoder.log",
    priority: 5
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=5, docs=3),
        runtime=1440,
    params:
        training=lambda w: options(VARIANTS[w.variant]["train_decoder"]),
        generated=lambda w, input: repeat("generated", input.generated),
        holdout=lambda w: VARIANTS[w.variant]["holdout"],
        minutes=lambda w: VARIANTS[w.variant]["checkpoint_minutes"],
        scratch="data/{dataset}/scratch/{variant}-seed{seed}-train-decoder",
    shell:
        "jointir train-decoder --collection {input.collection} --model {input.model} --ids {input.ids}"
        " --docs {input.docs} --out {output.model} --scratch {params.scratch} {params.training}"
        " --holdout {params.holdout} --checkpoint-minutes {params.minutes}"
        " {params.generated} --seed {wildcards.seed} 2>&1 | tee {log}"


rule generate:
    input:
        code=source_files("generative.generate"),
        collection="data/{dataset}/collection",
        model=rules.train_decoder.output.model,
        ids=rules.assign_ids.output.ids,
        docs=own_docs,
    output:
        answers=f"{TRAINED}/answers.parquet",
        runs=expand(f"{TRAINED}/hybrid/{{split}}.trec.gz", split=given.SPLITS, allow_missing=True),
        meta=f"{TRAINED}/meta.json",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-generate.log",
    resources:
        mem_mb=memory(3000, docs=1),
        runtime=240,
    params:
        beam=lambda w: VARIANTS[w.variant]["beam"],
        hybrid_beam=lambda w: VARIANTS[w.variant]["hybrid_beam"],
        runs=lambda w, output: repeat("runs", output.runs),
    shell:
        "jointir generate --collection {input.collection} --model {input.model} --ids {input.ids}"
        " --docs {input.docs} --out {output.answers} {params.runs} --meta {output.meta}"
        " --dataset {wildcards.dataset} --system {wildcards.variant} --seed {wildcards.seed}"
        " --beam {params.beam} --hybrid-beam {params.hybrid_beam} 2>&1 | tee {log}"


rule seal_search:
    input:
        code=source_files("generative.seal_search"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/{system}/model",
        docs=lambda w: f"data/{w.dataset}/{entry(w.system)['start']}/docs.npy",
    output:
        runs=expand("data/{{dataset}}/runs/{{system}}/flat/{split}.trec.gz", split=given.SPLITS),
        meta="data/{dataset}/runs/{system}/flat/meta.json",
        hybrid=expand("data/{{dataset}}/runs/{{system}}/hybrid/{split}.trec.gz", split=given.SPLITS),
        hybrid_meta="data/{dataset}/runs/{system}/hybrid/meta.json",
    log:
        "logs/{dataset}/{system}-search.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("seal")),
    threads: threads_each(2)
    resources:
        mem_mb=memory(4000, collection=20, docs=1),
        runtime=720,
    params:
        k=config["retrieve"]["k"],
        length=lambda w: entry(w.system)["length"],
        seed=lambda w: entry(w.system)["seed"],
        search=lambda w: options(entry(w.system)["search"]),
        runs=lambda w, output: " ".join(
            [repeat("out", output.runs), repeat("out-hybrid", output.hybrid)]
        ),
    shell:
        "jointir seal-search --collection {input.collection} --model {input.model}"
        " --docs {input.docs} {params.runs} --meta {output.meta} --meta-hybrid {output.hybrid_meta}"
        " --dataset {wildcards.dataset} --system {wildcards.system} --length {params.length}"
        " {params.search} --seed {params.seed} --k {params.k} 2>&1 | tee {log}"


rule measure_ids:
    input:
        code=source_files("measure.expectation"),
        collection="data/{dataset}/collection",
        ids=rules.assign_ids.output.ids,
        answers=rules.generate.output.answers,
        runs=rules.generate.output.runs,
    output:
        values=f"{TRAINED}/values.parquet",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-measure.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        runs=lambda w, input: repeat("runs", input.runs),
    shell:
        "jointir measure-ids --answers {input.answers} {params.runs} --ids {input.ids}"
        " --collection {input.collection} --out {output.values} 2>&1 | tee {log}"
