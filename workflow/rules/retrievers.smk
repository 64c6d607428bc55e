from jointir.methods import known
from jointir.methods.facts import Form
from workflow.plan import given
from workflow.plan.datasets import source_files, threads_each
from workflow.plan.figures import checked_before
from workflow.plan.settings import entry, module_of, rule_name
from workflow.plan.trained import (
    LAUNCH,
    encoder_options,
    encoder_paths,
    encoder_validation,
    read_by_encoder,
    start_of_encoder,
)
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, repeat

# Encoders that are trained, STAR among them, and ColBERT's search. BM25 is in measure.smk.
# Included after all other rules: a method's name may be none of theirs.


rule late_search:
    input:
        code=source_files("retrievers.late_search"),
        collection="data/{dataset}/collection",
        model="data/{dataset}/{system}/model",
    output:
        runs=expand("data/{{dataset}}/runs/{{system}}/flat/{split}.trec.gz", split=given.SPLITS),
        meta="data/{dataset}/runs/{system}/flat/meta.json",
    log:
        "logs/{dataset}/{system}-search.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("colbert")),
    priority: 10  # see jpq
    threads: threads_each(2)
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


for _method in known.trained(Form.ENCODER, Form.RANKER):
    _facts = known.facts()[_method]

    rule:
        name:
            rule_name(_method)
        input:
            code=source_files("retrievers.stage", module_of(_method)),
            collection="data/{dataset}/collection",
            model=lambda w: f"data/{w.dataset}/{start_of_encoder(w)}/model",
            docs=lambda w: read_by_encoder(w, "docs"),
            teacher=lambda w: read_by_encoder(w, "teacher"),
            fits=checked_before,
        output:
            model=directory("data/{dataset}/{encoder}/model"),
            curve="data/{dataset}/{encoder}/training.csv",
        log:
            "logs/{dataset}/{encoder}.log",
        wildcard_constraints:
            encoder=any_of(given.systems.of_method(_method)),
        priority: 10  # long, and ANCE last of a chain: see jpq
        threads: 2 if _method == "star" else threads_each(2)  # all else waits for STAR
        resources:
            gpu=0,
            # the documents' texts, or their embeddings
            mem_mb=memory(6000, collection=5) if _facts.own_documents else memory(4000, docs=4),
            runtime=1440,
        params:
            method=_method,
            read=encoder_paths,
            training=encoder_options,
            validation=encoder_validation,
            scratch="data/{dataset}/scratch/{encoder}",
        shell:
            LAUNCH * _facts.shares + "jointir {params.method} {params.read} --out {output.model}"
            " --out-curve {output.curve} --scratch {params.scratch} {params.training}"
            " {params.validation} 2>&1 | tee {log}"
