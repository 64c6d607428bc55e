def stage_of(system):
    """Return the name of a system's stage."""
    return system.replace("-", "_")


# What figure 4 runs: what it shows, and what that starts from.
_RUN = {*OF_FIGURE4, *(SYSTEMS[s]["start"] for s in OF_FIGURE4 if s in JOINT)}
# A stage for each index of figure 4, and for each of its encoders beside STAR. A file belongs to the
# first stage that makes it: those that are fitted come before `tune`, which needs one of them.
FITTED = {
    stage_of(system): lambda system=system: each_system(rules.build.output.index, only([system]))
    for system in BUILT
    if system in _RUN
}
OF_SYSTEMS = {
    **{
        stage_of(system): lambda system=system: each_system(
            "data/{dataset}/systems/{system}/{size}/queries.npy", only([system]), TEXTS
        )
        + each_system(rules.distill.output.index, only([system]), VECTORS)
        for system in JOINT
        if system in OF_FIGURE4
    },
    **{
        stage_of(system): lambda system=system: each_system(
            "data/{dataset}/{system}/queries.npy", only([system])
        )
        for system in SYSTEMS.of_form(Form.ENCODER)
        if system in OF_FIGURE4 and system != "star"
    },
}

# One DVC stage and one target rule stage_<name> each, in order, and what it makes. The params that a
# stage depends on are noted while these functions, its rules and its jobs read them (reads.py).
FIRST = {
    "download": lambda: each_dataset("data/{dataset}/source", kinds=list(DOWNLOADED)),
    "corpus": lambda: each_dataset("data/{dataset}/collection"),
    "pretrained": lambda: each_dataset("data/{dataset}/pretrained/flat.faiss", among=TEXTS)
    + each_dataset("data/{dataset}/pretrained/queries.npy", among=TEXTS)
    + each_dataset("data/{dataset}/fits/figure4.json"),
    "star": lambda: each_dataset("data/{dataset}/star/model", among=TEXTS),
    "embed": lambda: each_dataset("data/{dataset}/star/flat.faiss")
    + each_dataset("data/{dataset}/star/queries.npy")
    + each_dataset("data/{dataset}/star/train.npy"),
}
STAGES = {
    **FIRST,
    **FITTED,
    **(
        {"tune": lambda: each_dataset(rules.tune.output.chosen, among=TEXTS)}
        if config["tune"]["run"]
        else {}
    ),
    **OF_SYSTEMS,
    "search": lambda: each_system(rules.retrieve.output.meta),
    "measure": lambda: [
        *made("results", "comparisons"),
        *rules.groups.output,
        *rules.figure4_table.input.star,
    ],
    "asi_dataset": lambda: [
        *dict.fromkeys(
            path
            for variant in VARIANTS
            for path in expand(start(variant, "docs.npy"), dataset=config["asi"]["dataset"])
        ),
        *of_baselines(BASELINE),
    ],
    "asi": lambda: each_training(rules.measure_ids.output.values)
    + each_training(rules.cold_start.output.table, only="holdout"),
    "asi_report": lambda: [
        rules.asi_results.output.table,
        rules.asi_results.output.made,
        *rules.asi_table1.output,
        *(rules.asi_table3.output if {"asi-unseen", "asi++-unseen"} <= set(VARIANTS) else []),
        *rules.asi_table4.output,
        *rules.asi_table7.output,
        *rules.asi_figure3.output,
        *rules.asi_figure5.output,
        *rules.asi_figure6.output,
    ],
    "ann": lambda: each_system(rules.retrieve.output.meta, FIGURE5),
    "speed": lambda: [
        *made("results-speed", "comparisons-speed"),
        *rules.latencies.output,
        *rules.figure5.output,
        *rules.table1.output,
        *rules.table2.output,
    ],
    "scale": lambda: [*rules.scale.output, *rules.figure_scale.output],
    "ablation": lambda: [
        *made("results-ablation", "comparisons-ablation"),
        *rules.figure7.output,
    ],
    "retrievers": lambda: [
        *made("results-retrievers", "comparisons-retrievers"),
        *rules.figure1.output,
        *expand(rules.retriever_table.output, number=[3, 5]),
    ],
    "negatives": lambda: [
        *each_dataset(rules.negatives.output.overlap, among=TEXTS),
        *rules.figure3.output,
    ],
    "report": lambda: [
        *rules.figure4.output,
        *rules.figure_training.output,
        *rules.pays.output,
        *rules.figure4_table.output,
        *rules.groups_table.output,
        *rules.metrics.output,
    ],
}
_own = FITTED | OF_SYSTEMS
if _others := [s for s in _own if s in (*FIRST, "tune") or STAGES[s] is not _own[s]]:
    refuse(f"systems.{_others[0]}", "is the name of another stage", "Choose another name")
# the stages that `rule all` asks for; some need a dataset with text
REPORTS = ["report", "speed", "scale", "ablation", "negatives", "retrievers", "asi_report"]
if not TEXTS:
    REPORTS = ["report", "scale", "asi_report"]

for _stage, _targets in STAGES.items():

    rule:
        name:
            f"stage_{_stage}"
        input:
            _targets(),
        localrule: True
