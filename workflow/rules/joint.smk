from jointir.methods import known
from jointir.methods.facts import Form
from workflow.plan import given
from workflow.plan.datasets import measured, source_files, threads_each, validation
from workflow.plan.settings import entry, module_of, rule_name, swept, widths
from workflow.plan.trained import (
    LAUNCH,
    candidates,
    embedded,
    embedding,
    joint_options,
    middle,
    start_of,
    tune_options,
    tuned,
)
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, repeat

# Indexes that are trained together with the query encoder; `tune`, which chooses settings for JPQ, and
# `negatives`, of which figure 3 shows how many JPQ shares with brute force.
# Included after all other rules: a method's name may be none of theirs.


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
    priority: 20  # every training of JPQ waits for it
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


rule negatives:
    input:
        code=source_files("joint.negatives"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        index=lambda w: expand("data/{{dataset}}/systems/opq/M{M}/index.faiss", M=widths("opq")),
        swept=lambda w: swept("negatives"),
    output:
        overlap="data/{dataset}/negatives.csv",
        drawn="data/{dataset}/negatives.parquet",
    log:
        "logs/{dataset}/negatives.log",
    priority: 5  # long, too: at the end it would run alone
    threads: threads_each(2)  # of two it uses little more than one
    resources:
        mem_mb=memory(4000, docs=4),
        runtime=240,
    params:
        **config["negatives"],
        mined_from=lambda w: entry("jpq")["mined_from"],
        batch_tokens=config["embed"]["batch_tokens"],
        index=lambda w, input: repeat("index", input.index),
    shell:
        "jointir negatives --collection {input.collection} --encoder {input.model}"
        " --docs {input.docs} {params.index} --out {output.overlap} --drawn {output.drawn}"
        " --n {params.n} --M {params.M} --seed {params.seed} --mined-from {params.mined_from}"
        " --batch-tokens {params.batch_tokens} 2>&1 | tee {log}"


for _method in known.trained(Form.INDEX):

    rule:
        name:
            rule_name(_method)
        input:
            code=source_files("joint.stage", module_of(_method)),
            collection="data/{dataset}/collection",
            model="data/{dataset}/star/model",
            docs=lambda w: embedded(w, "docs"),
            teacher=lambda w: embedded(w, "teacher"),
            tuned=tuned,
            index=start_of,
        output:
            index="data/{dataset}/systems/{system}/{setting}/index.faiss",
            model=directory("data/{dataset}/systems/{system}/{setting}/query_encoder"),
            curve="data/{dataset}/systems/{system}/{setting}/training.csv",
            queries="data/{dataset}/systems/{system}/{setting}/queries.npy",
            facts="data/{dataset}/systems/{system}/{setting}/queries.json",
        log:
            "logs/{dataset}/{system}/{setting}.log",
        wildcard_constraints:
            dataset=given.of_text,
            system=any_of(given.systems.of_method(_method)),
            setting=r"M\d+(-seed\d+)?",
        priority: 10  # the longest jobs first, or the last of them runs alone
        threads: 1
        resources:
            gpu=0,
            mem_mb=memory(4000, index=2),
            runtime=1440,
        params:
            method=_method,
            training=joint_options,
            read=lambda w, input: " ".join(
                repeat(name, input[name]) for name in ("docs", "teacher", "tuned")
            ),
            validation=validation,
            embed=embedding(given.SPLITS),
            scratch="data/{dataset}/scratch/{system}-{setting}",
        shell:
            LAUNCH + "jointir {params.method}"
            " --collection {input.collection} --encoder {input.model}"
            " --index {input.index} --out-index {output.index} --out-encoder {output.model}"
            " --out-curve {output.curve} --scratch {params.scratch} {params.training}"
            " {params.read} {params.validation} --out-queries {output.queries} {params.embed}"
            " 2>&1 | tee {log}"
