from workflow.plan import given
from workflow.plan.datasets import source_files
from workflow.plan.trainings import (
    BASELINE,
    RANKED,
    RESCORED,
    TRAINED,
    VARIANTS,
    dense_encoders,
    each_training,
    of_baselines,
    of_rescored,
    vocabularies,
)
from workflow.scripts.shell import repeat

# What the tables and figures of ASI++ read, of what was trained: see `asi.systems`.


rule asi_results:
    input:
        ids=each_training(rules.assign_ids.output.ids),
        meta=each_training(rules.generate.output.meta),
        values=each_training(rules.measure_ids.output.values),
        baselines=of_baselines(BASELINE) + of_rescored(RESCORED),
        baseline_meta=of_baselines(RANKED, [""])
        + of_rescored(rules.seal_search.output.hybrid_meta, [""]),
        encoders=lambda w: list(dense_encoders().values()),
        code=source_files("measure.asi_results"),
    output:
        table="reports/tables/results-asi.csv",
        comparisons="reports/tables/comparisons-asi.csv",
        numbers="reports/tables/asi.csv",
        made=touch("data/asi.made"),  # as for results.csv
    log:
        "logs/asi-results.log",
    localrule: True  # seconds
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        **config["results"],
        vocabulary=lambda w: repeat("vocabulary", vocabularies()),
        files=lambda w, input: " ".join(
            [
                repeat("ids", input.ids),
                repeat("meta", input.meta),
                repeat("per-query", input.values),
                repeat("baseline", input.baselines),
                repeat("baseline-meta", [m for m in input.baseline_meta for _ in given.SPLITS]),
            ]
        ),
        encoders=lambda w: repeat("encoder", map("=".join, dense_encoders().items())),
    shell:
        "jointir asi-results {params.files} {params.encoders} --out {output.table}"
        " --out-comparisons {output.comparisons} --out-numbers {output.numbers}"
        " {params.vocabulary} --samples {params.samples} --seed {params.seed} 2>&1 | tee {log}"


use rule measure as measure_baseline with:
    input:
        code=source_files("measure.effectiveness"),
        collection="data/{dataset}/collection",
        runs=["data/{dataset}/runs/{system}/flat/{split}.trec.gz"],
    output:
        values=[BASELINE],
    log:
        "logs/{dataset}/generative/baseline-{system}-{split}.log",
    localrule: True
    params:
        measures=repeat("measures", ["RR@10", "R@1", "R@5", "R@10"]),  # in asi_results.py, too


use rule measure_baseline as measure_rescored with:
    input:
        code=source_files("measure.effectiveness"),
        collection="data/{dataset}/collection",
        runs=["data/{dataset}/runs/{system}/hybrid/{split}.trec.gz"],
    output:
        values=[RESCORED],
    log:
        "logs/{dataset}/generative/rescored-{system}-{split}.log",
    localrule: True


rule cold_start:
    input:
        code=source_files("measure.cold_start"),
        collection="data/{dataset}/collection",
        ids=rules.assign_ids.output.ids,
        values=rules.measure_ids.output.values,
    output:
        table=f"{TRAINED}/cold-start.csv",
    log:
        "logs/{dataset}/generative/{variant}-seed{seed}-cold-start.log",
    localrule: True  # seconds
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holdout=lambda w: VARIANTS[w.variant]["holdout"],
    shell:
        "jointir cold-start --ids {input.ids} --qrels {input.collection}/qrels/test.trec"
        " --per-query {input.values} --out {output.table} --holdout {params.holdout}"
        " --seed {wildcards.seed} 2>&1 | tee {log}"
