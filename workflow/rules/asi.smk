# The tables and figures of ASI++. Every rule draws what was trained: see `asi.systems`.


rule asi_results:
    input:
        ids=of_variants(rules.assign_ids.output.ids),
        meta=of_variants(rules.generate.output.meta),
        values=of_variants(rules.measure_ids.output.values),
        baselines=of_baselines(BASELINE),
        baseline_meta=of_baselines(RANKED, [""]),
        encoders=lambda w: list(dense_encoders().values()),
        code=source_files("measure.asi_results"),
    output:
        table="reports/tables/results-asi.csv",
        comparisons="reports/tables/comparisons-asi.csv",
        numbers="reports/tables/asi.csv",
        made=touch("data/asi.made"),  # as for results.csv
    log:
        "logs/asi-results.log",
    benchmark:
        "logs/asi-results.tsv"
    conda:
        "../../environment.yml"
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
                repeat("baseline-meta", [m for m in input.baseline_meta for _ in SPLITS]),
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
    benchmark:
        "logs/{dataset}/generative/baseline-{system}-{split}.tsv"
    params:
        measures=repeat("measures", ["RR@10", "R@1", "R@5", "R@10"]),  # in asi_results.py, too


rule asi_table1:
    input:
        code=source_files("report.asi_table1"),
        results=rules.asi_results.output.table,
        comparisons=rules.asi_results.output.comparisons,
        numbers=rules.asi_results.output.numbers,
        made=rules.asi_results.output.made,
    output:
        table="reports/asi_table1.md",
    log:
        "logs/asi-table1.log",
    benchmark:
        "logs/asi-table1.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=shown_systems,
    shell:
        "jointir asi-table1 --results {input.results} --comparisons {input.comparisons}"
        " --numbers {input.numbers} --out {output.table} {params.systems} 2>&1 | tee {log}"


rule asi_table2:
    input:
        code=source_files("report.asi_table2"),
        results=rules.asi_results.output.table,
        numbers=rules.asi_results.output.numbers,
        made=rules.asi_results.output.made,
    output:
        table="reports/asi_table2.md",
    log:
        "logs/asi-table2.log",
    benchmark:
        "logs/asi-table2.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=lambda w: repeat("system", trained_on_all()),
    shell:
        "jointir asi-table2 --results {input.results} --numbers {input.numbers}"
        " --out {output.table} {params.systems} 2>&1 | tee {log}"


rule asi_figure1:
    input:
        code=source_files("report.asi_figure1"),
        style="src/jointir/report/matplotlibrc",
        results=rules.asi_results.output.table,
        numbers=rules.asi_results.output.numbers,
        made=rules.asi_results.output.made,
    output:
        pdf=report(
            "reports/asi_figure1.pdf",
            caption="../report/asi_figure1.rst",
            category="Generative retrieval",
        ),
        png="reports/asi_figure1.png",
    log:
        "logs/asi-figure1.log",
    benchmark:
        "logs/asi-figure1.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=shown_systems,
    shell:
        "jointir asi-figure1 --results {input.results} --numbers {input.numbers}"
        " --out {output.pdf} --png {output.png} {params.systems} 2>&1 | tee {log}"


rule asi_figure4:
    input:
        code=source_files("report.asi_figure4"),
        results=rules.asi_results.output.table,
        numbers=rules.asi_results.output.numbers,
        made=rules.asi_results.output.made,
    output:
        table="reports/asi_figure4.md",
    log:
        "logs/asi-figure4.log",
    benchmark:
        "logs/asi-figure4.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir asi-figure4 --results {input.results} --numbers {input.numbers}"
        " --out {output.table} 2>&1 | tee {log}"


rule asi_table4:
    input:
        code=source_files("report.asi_appendix"),
        made=rules.asi_results.output.made,  # not read: these are the settings of that run
        drawn=needed("asi", "ASI's table 4", "asi++"),
    output:
        table="reports/asi_table4.md",
    log:
        "logs/asi-table4.log",
    benchmark:
        "logs/asi-table4.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: repeat("setting", told_settings()),
        dataset=config["asi"]["dataset"],
    shell:
        "jointir asi-table4 --dataset {params.dataset} --out {output.table} {params.settings}"
        " 2>&1 | tee {log}"


rule asi_table5:
    input:
        code=source_files("report.asi_appendix"),
        collection=f"data/{config['asi']['dataset']}/collection",
    output:
        table="reports/asi_table5.md",
    log:
        "logs/asi-table5.log",
    benchmark:
        "logs/asi-table5.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir asi-table5 --collection {input.collection} --out {output.table} 2>&1 | tee {log}"


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
    benchmark:
        "logs/{dataset}/generative/{variant}-seed{seed}-cold-start.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holdout=lambda w: VARIANTS[w.variant]["holdout"],
    shell:
        "jointir cold-start --ids {input.ids} --qrels {input.collection}/qrels/test.trec"
        " --per-query {input.values} --out {output.table} --holdout {params.holdout}"
        " --seed {wildcards.seed} 2>&1 | tee {log}"


rule asi_table3:
    input:
        code=source_files("report.asi_table3"),
        asi=of_variant(rules.cold_start.output.table, "asi-unseen"),
        asi_plus=of_variant(rules.cold_start.output.table, "asi++-unseen"),
    output:
        table="reports/asi_table3.md",
    log:
        "logs/asi-table3.log",
    benchmark:
        "logs/asi-table3.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        asi=lambda w, input: repeat("asi", input.asi),
        asi_plus=lambda w, input: repeat("asi-plus", input.asi_plus),
    shell:
        "jointir asi-table3 {params.asi} {params.asi_plus} --out {output.table} 2>&1 | tee {log}"


rule asi_table7:
    input:
        code=source_files("report.asi_table7"),
        collection=f"data/{config['asi']['dataset']}/collection",
        ids=of_variant(rules.assign_ids.output.ids, "asi++")[0],
        drawn=needed("asi", "ASI's table 7", "asi++"),
    output:
        table="reports/asi_table7.md",
    log:
        "logs/asi-table7.log",
    benchmark:
        "logs/asi-table7.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "jointir asi-table7 --collection {input.collection} --ids {input.ids} --out {output.table}"
        " 2>&1 | tee {log}"


rule asi_figure3:
    input:
        code=source_files("report.asi_figures"),
        style="src/jointir/report/matplotlibrc",
        results=rules.asi_results.output.table,
        numbers=rules.asi_results.output.numbers,
        made=rules.asi_results.output.made,
    output:
        pdf=report(
            "reports/asi_figure3.pdf",
            caption="../report/asi_figure3.rst",
            category="Generative retrieval",
        ),
        png="reports/asi_figure3.png",
    log:
        "logs/asi-figure3.log",
    benchmark:
        "logs/asi-figure3.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir asi-figure3 --results {input.results} --numbers {input.numbers}"
        " --out {output.pdf} --png {output.png} 2>&1 | tee {log}"


rule asi_figure5:
    input:
        code=source_files("report.asi_figure5"),
        style="src/jointir/report/matplotlibrc",
        collection=f"data/{config['asi']['dataset']}/collection",
        ids=of_variant(rules.assign_ids.output.ids, "asi++")[0],
        drawn=needed("asi", "ASI's figure 5", "asi++"),
    output:
        pdf=report(
            "reports/asi_figure5.pdf",
            caption="../report/asi_figure5.rst",
            category="Generative retrieval",
        ),
        png="reports/asi_figure5.png",
    log:
        "logs/asi-figure5.log",
    benchmark:
        "logs/asi-figure5.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "jointir asi-figure5 --collection {input.collection} --ids {input.ids}"
        " --out {output.pdf} --png {output.png} 2>&1 | tee {log}"


rule asi_figure6:
    input:
        code=source_files("report.asi_figures"),
        style="src/jointir/report/matplotlibrc",
        asi=of_variant(rules.assign_ids.output.ids, "asi")[0],
        asi_plus=of_variant(rules.assign_ids.output.ids, "asi++")[0],
        drawn=needed("asi", "ASI's figure 6", "asi", "asi++"),
    output:
        pdf=report(
            "reports/asi_figure6.pdf",
            caption="../report/asi_figure6.rst",
            category="Generative retrieval",
        ),
        png="reports/asi_figure6.png",
    log:
        "logs/asi-figure6.log",
    benchmark:
        "logs/asi-figure6.tsv"
    localrule: True  # seconds
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "jointir asi-figure6 --asi {input.asi} --asi-plus {input.asi_plus}"
        " --out {output.pdf} --png {output.png} 2>&1 | tee {log}"
