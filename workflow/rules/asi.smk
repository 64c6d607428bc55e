from workflow.plan import given, searched, trainings
from workflow.plan.command import command, files_but
from workflow.plan.datasets import source_files
from workflow.plan.trainings import (
    BASELINE,
    TRAINED,
    each_training,
    of_baselines,
)
from workflow.scripts.shell import options, repeat

# What the tables and figures of ASI++ read, of what was trained: see `asi.systems`.


rule asi_results:
    input:
        ids=each_training(rules.assign_ids.output.out),
        meta=each_training(rules.generate.output.meta),
        per_query=each_training(rules.measure_ids.output.out),
        baseline=of_baselines(BASELINE),
        baseline_meta=of_baselines(searched.meta("{setting}"), [""]),
        beside=lambda w: list(trainings.dense_encoders().values()),
        code=source_files("measure.asi_results"),
    output:
        out="reports/tables/results-asi.csv",
        out_comparisons="reports/tables/comparisons-asi.csv",
        out_numbers="reports/tables/asi.csv",
        made=touch("data/asi.made"),  # as for results.csv
    log:
        "logs/asi-results.log",
    localrule: True  # seconds
    params:
        command=command(
            "asi-results",
            lambda w: repeat("vocabulary", trainings.vocabularies()),
            lambda w: repeat("encoder", map("=".join, trainings.dense_encoders().items())),
            options(config["results"]),
        ),
        files=files_but("baseline_meta"),
        meta=lambda w, input: repeat(
            "baseline-meta", [m for m in input.baseline_meta for _ in given.SPLITS]
        ),
    shell:
        "{params.command} {params.files} {params.meta} 2>&1 | tee {log}"


use rule measure as measure_baseline with:
    input:
        code=source_files("measure.effectiveness"),
        collection="data/{dataset}/collection",
        run=["data/{dataset}/runs/{system}/{setting}/{split}.trec.gz"],
    output:
        out=[BASELINE],
    log:
        "logs/{dataset}/generative/baseline-{system}-{setting}-{split}.log",
    localrule: True  # which `use rule` does not take over
    params:
        command=command(
            "measure",
            repeat("measures", ["RR@10", "R@1", "R@5", "R@10"]),  # in asi_results.py, too
            qrels="data/{dataset}/collection/qrels/{split}.trec",
        ),
        files=files_but("collection"),


rule cold_start:
    input:
        code=source_files("measure.cold_start"),
        collection="data/{dataset}/collection",
        ids=rules.assign_ids.output.out,
        per_query=rules.measure_ids.output.out,
    output:
        out=f"{TRAINED}/cold-start.csv",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-cold-start.log",
    localrule: True  # seconds
    params:
        command=command(
            "cold-start",
            qrels="data/{dataset}/collection/qrels/test.trec",
            holdout=lambda w: trainings.VARIANTS[w.variant]["holdout"],
            seed="{seed}",
        ),
        files=files_but("collection"),
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
