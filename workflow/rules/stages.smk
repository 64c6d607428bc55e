# One DVC stage and one target rule stage_<name> each, in order: what it makes, and the top-level
# keys of params/ that it depends on (a test checks that none is missing). `ann` is a key of every
# stage that reads those of its systems that DVC does not track.
STAGES = {
    "download": each_dataset("data/{dataset}/source", kinds=list(DOWNLOADED)),
    "corpus": each_dataset("data/{dataset}/collection"),
    "pretrained": each_dataset("data/{dataset}/pretrained/flat.faiss")
    + each_dataset("data/{dataset}/pretrained/queries.npy"),
    "star": each_dataset("data/{dataset}/star/model"),
    "embed": each_dataset("data/{dataset}/star/flat.faiss")
    + each_dataset("data/{dataset}/star/queries.npy"),
    "quantize": each_system(rules.build.output.index, only(BUILT)),
    **{
        system.replace("-", "_"): each_system(
            "data/{dataset}/systems/{system}/{size}/queries.npy", only([system])
        )
        for system in TRAINED_WITH
    },
    "search": each_system(rules.retrieve.output.meta),
    "measure": [*rules.results.output, *each_dataset(rules.compare_star.output.comparison)],
    "asi_dataset": [
        f"data/{ASI_DATASET}/{config['asi']['start']}/docs.npy",
        *of_baselines(BASELINE),
    ],
    "asi": each_training(rules.measure_ids.output.values)
    + each_training(rules.cold_start.output.table, only="holdout"),
    "asi_report": [
        rules.asi_results.output.table,
        rules.asi_results.output.made,
        *rules.asi_table1.output,
        *(rules.asi_table3.output if {"asi-unseen", "asi++-unseen"} <= set(VARIANTS) else []),
        *rules.asi_table4.output,
        *rules.asi_figure3.output,
        *rules.asi_figure5.output,
        *rules.asi_figure6.output,
    ],
    "ann": each_system(rules.retrieve.output.meta, FIGURE5),
    "speed": [
        *rules.speed_results.output,
        *rules.latencies.output,
        *rules.figure5.output,
        *rules.table1.output,
        *rules.table2.output,
    ],
    "scale": [*rules.scale.output, *rules.figure_scale.output],
    "ablation": [
        *rules.ablation_results.output,
        *rules.ablation_steps.output,
        *rules.figure7.output,
    ],
    "retrievers": [
        *rules.retriever_results.output,
        *rules.figure1.output,
        *expand(rules.retriever_table.output, number=[3, 5]),
    ],
    "negatives": [*each_dataset(rules.negatives.output.overlap), *rules.figure3.output],
    "report": [*rules.figure4.output, *rules.figure4_table.output, *rules.metrics.output],
}
# the stages that `rule all` asks for
REPORTS = ["report", "speed", "scale", "ablation", "negatives", "retrievers", "asi_report"]
MEASURING = [
    "measure",
    *(f"datasets.{d}" for d in DATASETS),
]  # which may have measures of their own
STAGE_PARAMS = {
    "download": [f"datasets.{d}" for d in DATASETS],
    "corpus": [f"datasets.{d}" for d in DATASETS],
    "pretrained": ["encoder", "embed"],
    "star": ["star"],
    "embed": ["embed"],
    "quantize": ["opq", "opq-4bit", "pq", "lsh", "itq-lsh", "sweep"],
    # opq and opq-4bit: what training starts from is made here where `figure4.systems` leaves it out
    "jpq": ["jpq", "opq", "embed"],
    "jpq_4bit": ["jpq", "jpq-4bit", "opq-4bit", "embed"],
    "dpq": ["dpq", "opq", "embed"],
    "search": [
        "retrieve",
        "ann",
        *(f"{k}.seed" for k in ["star", "jpq", "dpq", *BUILT]),
    ],
    "measure": [*MEASURING, "results", "ann"],
    "asi_dataset": [
        f"datasets.{ASI_DATASET}",
        "encoder",
        "embed",
        "star",
        "retrieve",
        "bm25",
        "measure",
        "asi.dataset",
    ],
    "asi": ["asi", "embed"],
    "asi_report": ["asi", "results"],
    "ann": ["retrieve", "ann", "ivf-jpq"],
    "speed": ["retrieve", *MEASURING, "results", "latency", "table1", "figure5", "ann"],
    "scale": ["scale"],
    "retrievers": [
        "retrievers",
        "bm25",
        "star",
        "jpq",
        "embed",
        "sweep",
        "opq",
        "lsh",
        "retrieve",
        *MEASURING,
        "results",
        "table1",
    ],
    "negatives": ["negatives", "sweep", "opq", "embed"],
    "ablation": [
        "ablation",
        "jpq",
        "opq",
        "sweep",
        "embed",
        "retrieve",
        *MEASURING,
        "results",
        "star.seed",
    ],
    "report": ["figure4", "ann"],
}

for _stage, _targets in STAGES.items():

    rule:
        name:
            f"stage_{_stage}"
        input:
            _targets,
        localrule: True
