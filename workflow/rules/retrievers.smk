from jointir.methods import known
from jointir.methods.facts import Form
from workflow.plan import datasets, figures, given, searched, settings, trained
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files, threads_each
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of

# What embeds or ranks and is trained, STAR among them; then what ranks by itself, trained or not.
# Included after all other rules: a method's name may be none of theirs.

for _method in known.trained(Form.ENCODER, Form.RANKER):
    _facts = known.facts()[_method]

    rule:
        name:
            settings.rule_name(_method)
        input:
            code=source_files("retrievers.stage", settings.module_of(_method)),
            collection="data/{dataset}/collection",
            encoder=lambda w: f"data/{w.dataset}/{trained.start_of_encoder(w)}/model",
            docs=lambda w: trained.read_by_encoder(w, "docs"),
            teacher=lambda w: trained.read_by_encoder(w, "teacher"),
            checked=figures.checked_before,
        output:
            out=directory("data/{dataset}/{encoder}/model"),
            out_curve="data/{dataset}/{encoder}/training.csv",
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
            launch=trained.launch if _facts.shares else "",
            command=command(
                _method,
                trained.encoder_options,
                trained.encoder_validation,
                scratch="data/{dataset}/scratch/{encoder}",
            ),
            files=files,
        shell:
            "{params.launch}{params.command} {params.files} 2>&1 | tee {log}"


for _method in known.rankers():
    _facts = known.facts()[_method]

    rule:
        name:
            settings.rule_name(f"rank-{_method}")
        input:
            code=searched.code_of_ranker(_method),
            collection="data/{dataset}/collection",
            model=lambda w: searched.ranked_from(w, "model"),
            docs=lambda w: searched.ranked_from(w, "docs"),
            generated=lambda w: searched.ranked_from(w, "generated"),
            beside=lambda w: searched.ranked_from(w, "checkpoint"),
        output:
            **searched.rescored_runs(_method),
            out=searched.runs("flat"),
            meta=searched.meta("flat"),
        log:
            "logs/{dataset}/{system}-search.log",
        wildcard_constraints:
            system=any_of(given.systems.of_method(_method)),
        priority: 10  # see jpq
        threads: threads_each(2)
        resources:
            gpu=0,
            mem_mb=memory(4000, collection=_facts.held, docs=1),
            runtime=1440,
        params:
            command=command(
                f"rank-{_method}",
                searched.ranker_options,
                dataset="{dataset}",
                system="{system}",
                seed=lambda w: settings.entry(w.system).get("seed", 0),
                k=config["retrieve"]["k"],
                measure=lambda w: datasets.measures_of(w.dataset, "dev")[0],
                batch_tokens=config["embed"]["batch_tokens"],
            ),
            files=files,
            contents=lambda w: contents(searched.ranked_from(w, "checkpoint")),
        shell:
            "{params.command} {params.files} 2>&1 | tee {log}"
