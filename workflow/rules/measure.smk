from pathlib import Path

from workflow.plan import given
from workflow.plan.datasets import (
    PACKAGES,
    each_dataset,
    measure_options,
    measures_of,
    model_files,
    source_files,
    threads_each,
)
from workflow.plan.figures import each_system, of_texts, trained_from
from workflow.plan.searched import index_of, library, seed_of, shown_setting, value
from workflow.plan.settings import entry, swept
from workflow.plan.tables import (
    COMPARISONS,
    MEASURED,
    RESULTS,
    compared,
    of_figure,
    of_table,
    of_tables,
)
from workflow.plan.trainings import expansion
from workflow.scripts.inputs import contents
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options, repeat


rule retrieve:
    input:
        code=lambda w: source_files("measure.retrieve", *library(w.system)),
        collection="data/{dataset}/collection",
        index=lambda w: index_of(w)[0],
        queries=lambda w: index_of(w)[1],
        facts=lambda w: index_of(w)[1].replace(".npy", ".json"),
    output:
        runs=expand(
            "data/{{dataset}}/runs/{{system}}/{{setting}}/{split}.trec.gz", split=given.SPLITS
        ),
        meta="data/{dataset}/runs/{system}/{setting}/meta.json",
    log:
        "logs/{dataset}/{system}/{setting}-retrieve.log",
    wildcard_constraints:
        system=any_of(given.searched),
    resources:
        mem_mb=memory(4000, index=1.5),
        runtime=120,
    params:
        setting=lambda w: repeat("setting", [shown_setting(w)]),  # quoted, where it is empty too
        k=config["retrieve"]["k"],
        seed=seed_of,
        value=value,
        runs=lambda w, output: repeat("out", output.runs),
    shell:
        "jointir retrieve --collection {input.collection} --index {input.index}"
        " --queries {input.queries} {params.runs} --meta {output.meta}"
        " --dataset {wildcards.dataset} --system {wildcards.system}"
        " {params.setting} --seed {params.seed} --k {params.k}"
        " --value {params.value} --threads {threads} 2>&1 | tee {log}"


rule bm25:
    input:
        code=source_files("search.bm25"),
        collection="data/{dataset}/collection",
        generated=lambda w: expansion(w.system),
    output:
        runs=expand("data/{{dataset}}/runs/{{system}}/flat/{split}.trec.gz", split=given.SPLITS),
        meta="data/{dataset}/runs/{system}/flat/meta.json",
    log:
        "logs/{dataset}/{system}.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("bm25")),
    resources:
        mem_mb=memory(4000, collection=10),
        runtime=60,
    params:
        k=config["retrieve"]["k"],
        tried=lambda w: " ".join(repeat(name, entry(w.system)[name]) for name in ("k1", "b")),
        measure=lambda w: measures_of(w.dataset, "dev")[0],
        generated=lambda w, input: repeat("generated", input.generated),
        runs=lambda w, output: repeat("out", output.runs),
    shell:
        "jointir bm25 --collection {input.collection} {params.runs} --meta {output.meta}"
        " --dataset {wildcards.dataset} --system {wildcards.system} {params.tried} --k {params.k}"
        " --measure {params.measure:q} {params.generated} 2>&1 | tee {log}"


rule splade:
    input:
        code=source_files("search.splade"),
        collection="data/{dataset}/collection",
        weights=lambda w: model_files(entry(w.system)["checkpoint"]),
    output:
        runs=expand("data/{{dataset}}/runs/{{system}}/flat/{split}.trec.gz", split=given.SPLITS),
        meta="data/{dataset}/runs/{system}/flat/meta.json",
    log:
        "logs/{dataset}/{system}.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("splade")),
    threads: threads_each(2)
    resources:
        gpu=0,
        mem_mb=memory(6000, collection=10),
        runtime=1440,
    params:
        k=config["retrieve"]["k"],
        batch_tokens=config["embed"]["batch_tokens"],
        settings=lambda w: options(entry(w.system)),
        contents=lambda w: contents(model_files(entry(w.system)["checkpoint"])),
        runs=lambda w, output: repeat("out", output.runs),
    shell:
        "jointir splade --collection {input.collection} {params.runs} --meta {output.meta}"
        " --dataset {wildcards.dataset} --system {wildcards.system} {params.settings}"
        " --k {params.k} --batch-tokens {params.batch_tokens} 2>&1 | tee {log}"


rule measure:
    input:
        code=source_files("measure.effectiveness"),
        collection="data/{dataset}/collection",
        runs=expand(
            "data/{{dataset}}/runs/{{system}}/{{setting}}/{split}.trec.gz", split=given.SPLITS
        ),
    output:
        values=expand(MEASURED, split=given.SPLITS, allow_missing=True),
    log:
        "logs/{dataset}/{system}/{setting}-measure.log",
    localrule: True  # seconds
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        measures=lambda w: measure_options(w.dataset),
        files=lambda w, input, output: " ".join(
            [
                repeat("run", input.runs),
                repeat("qrels", [f"{input.collection}/qrels/{Path(v).stem}.trec" for v in output]),
                repeat("out", output),
            ]
        ),
    shell:
        "jointir measure {params.files} {params.measures} 2>&1 | tee {log}"


rule results:
    input:
        code=source_files("measure.results"),
        values=lambda w: expand(of_table(MEASURED, w.table), split=given.SPLITS),
        meta=lambda w: of_table(rules.retrieve.output.meta, w.table),
        fits=lambda w: each_dataset(
            f"data/{{dataset}}/fits/{RESULTS[w.table]}.json",
            among=given.datasets if w.table == "results" else given.texts,
        ),
        texts=lambda w: [] if w.table == "results" else of_texts(w),
    output:
        table="reports/tables/{table}.csv",
        # The table is in git, and to Snakemake a file is a file: without this flag, which is not, a
        # clone's committed numbers would pass for those of its own run.
        made=touch("data/{table}.made"),
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table=any_of(RESULTS),
    localrule: True  # seconds
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        **config["results"],
        values=lambda w, input: repeat("per-query", input.values),
        meta=lambda w, input: repeat("meta", [m for m in input.meta for _ in given.SPLITS]),
    shell:
        "jointir results {params.values} {params.meta} --out {output.table}"
        " --samples {params.samples} --seed {params.seed} 2>&1 | tee {log}"


rule comparisons:
    input:
        code=source_files("measure.comparisons"),
        values=lambda w: expand(compared(MEASURED, w.table), split=COMPARISONS[w.table][1]),
        meta=lambda w: compared(rules.retrieve.output.meta, w.table),
        # table 1 shows settings that are chosen by their value on dev and their speed
        results=lambda w: of_figure("figure5") if w.table == "comparisons-speed" else [],
        made=lambda w: (
            [*of_figure("figure5", "data/{table}.made"), "data/latency.made"]
            if w.table == "comparisons-speed"
            else []
        ),
        latency=lambda w: (["reports/tables/latency.csv"] if w.table == "comparisons-speed" else []),
        swept=lambda w: swept("table1") if COMPARISONS[w.table][1] == ["test"] else [],
        texts=lambda w: [] if w.table == "comparisons" else of_texts(w),
    output:
        table="reports/tables/{table}.csv",
        made=touch("data/{table}.made"),  # see `results`
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table=any_of(COMPARISONS),
    localrule: True  # seconds
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        families=lambda w: repeat("family", COMPARISONS[w.table][2]),
        values=lambda w, input: repeat("per-query", input.values),
        meta=lambda w, input: repeat(
            "meta", [m for m in input.meta for _ in COMPARISONS[w.table][1]]
        ),
        more=of_tables,
    shell:
        "jointir comparisons {params.families} {params.values} {params.meta} {params.more}"
        " --out {output.table} 2>&1 | tee {log}"


rule groups:
    input:
        code=source_files("measure.groups"),
        values=expand(each_system(MEASURED), split=given.SPLITS),
        meta=each_system(rules.retrieve.output.meta),
        collection=each_dataset("data/{dataset}/collection"),
        packages=list(PACKAGES.values()),
    output:
        table="reports/tables/groups.csv",
        made=touch("data/groups.made"),  # see `results`
    log:
        "logs/groups.log",
    localrule: True  # seconds
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        **config["results"],
        values=rules.results.params.values,
        meta=rules.results.params.meta,
        collection=lambda w, input: repeat(
            "collection", map("=".join, zip(given.datasets, input.collection, strict=True))
        ),
        packages=repeat("packages", map("=".join, PACKAGES.items())),
        starts=lambda w: repeat("start", map("=".join, trained_from().items())),
        contents=lambda w, input: contents(list(input.packages)),
    shell:
        "jointir groups {params.values} {params.meta} {params.collection} {params.packages}"
        " {params.starts} --out {output.table} --samples {params.samples} --seed {params.seed} 2>&1 | tee {log}"
