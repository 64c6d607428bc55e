from jointir.methods import known
from jointir.methods.facts import Form
from workflow.plan import datasets, given, settings, trained
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files, threads_each
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat

# Indexes that are trained together with the query encoder; `tune`, which chooses settings for JPQ, and
# `negatives`, of which figure 3 shows how many JPQ shares with brute force.
# Included after all other rules: a method's name may be none of theirs.


rule tune:
    input:
        code=source_files("joint.tune"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        teacher="data/{dataset}/star/train.npy",
        index=trained.tuned_at,
    output:
        out="data/{dataset}/tune/jpq.json",
    log:
        "logs/{dataset}/tune.log",
    priority: 20  # every training of JPQ waits for it
    threads: 1
    resources:
        mem_mb=memory(4000, index=2),
        runtime=240,
    params:
        command=command(
            "tune",
            lambda w: trained.tune_options(),
            repeat("candidate", trained.candidates()),
            datasets.measured,
            dev_queries=config["tune"]["queries"],
            scratch="data/{dataset}/scratch/tune",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule negatives:
    input:
        code=source_files("joint.negatives"),
        collection="data/{dataset}/collection",
        encoder="data/{dataset}/star/model",
        docs="data/{dataset}/star/docs.npy",
        index=lambda w: expand(
            "data/{{dataset}}/systems/opq/M{M}/index.faiss", M=settings.widths("opq")
        ),
        checked=lambda w: settings.swept("negatives"),
    output:
        out="data/{dataset}/negatives.csv",
        drawn="data/{dataset}/negatives.parquet",
    log:
        "logs/{dataset}/negatives.log",
    priority: 5  # long, too: at the end it would run alone
    threads: threads_each(2)  # of two it uses little more than one
    resources:
        mem_mb=memory(4000, docs=4),
        runtime=240,
    params:
        command=command(
            "negatives",
            options(config["negatives"]),
            mined_from=lambda w: settings.entry("jpq")["mined_from"],
            batch_tokens=config["embed"]["batch_tokens"],
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


for _method in known.trained(Form.INDEX):

    rule:
        name:
            settings.rule_name(_method)
        input:
            code=source_files("joint.stage", settings.module_of(_method)),
            collection="data/{dataset}/collection",
            encoder="data/{dataset}/star/model",
            docs=lambda w: trained.embedded(w, "docs"),
            teacher=lambda w: trained.embedded(w, "teacher"),
            tuned=trained.tuned,
            index=trained.start_of,
        output:
            out_index="data/{dataset}/systems/{system}/{setting}/index.faiss",
            out_encoder=directory("data/{dataset}/systems/{system}/{setting}/query_encoder"),
            out_curve="data/{dataset}/systems/{system}/{setting}/training.csv",
            out_queries="data/{dataset}/systems/{system}/{setting}/queries.npy",
            beside="data/{dataset}/systems/{system}/{setting}/queries.json",
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
            launch=trained.launch,
            command=command(
                _method,
                trained.joint_options,
                datasets.validation,
                trained.embedding(given.SPLITS),
                scratch="data/{dataset}/scratch/{system}-{setting}",
            ),
            files=files,
        shell:
            "{params.launch}{params.command} {params.files} 2>&1 | tee {log}"
