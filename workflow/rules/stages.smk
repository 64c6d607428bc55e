from typing import Callable, NamedTuple


class Stage(NamedTuple):
    """A stage of DVC: what it leaves, in one line, and the files and folders that this is made of."""

    says: str
    targets: Callable


def by_method(systems):
    """Return {stage: systems} of those that figure 4 shows or starts from: a stage for each method."""
    shown = {*OF_FIGURE4, *(SYSTEMS[s]["start"] for s in OF_FIGURE4 if s in JOINT)} - {"star"}
    found = {}
    for system in [s for s in systems if s in shown]:
        found.setdefault(SYSTEMS.methods[system].replace("-", "_"), []).append(system)
    return found


def reported(stage):
    """Return the files of the figures and tables that a stage makes."""
    made = [own for own in reports().values() if own.stage == stage and is_wanted(own)]
    return [path for own in made for path in own.outputs().values()]


def is_wanted(own):
    """Return whether a report is not optional, or every system that it needs is shown."""
    return not own.optional or all(s in config[own.figure]["systems"] for s in own.needs)


# A file belongs to the first stage that makes it: indexes that are fitted come before `tune`, which
# needs one of them.
FITTED = {
    stage: Stage(
        f"the index at each size: {', '.join(own)}",
        lambda own=own: each_system(rules.build.output.index, only(own)),
    )
    for stage, own in by_method(BUILT).items()
}
TRAINED_ENCODERS = {
    stage: Stage(
        f"the trained encoder and its queries: {', '.join(own)}",
        lambda own=own: each_system("data/{dataset}/{system}/queries.npy", only(own)),
    )
    for stage, own in by_method(SYSTEMS.of_form(Form.ENCODER)).items()
}
TRAINED_INDEXES = {
    stage: Stage(
        f"the index and its query encoder at each size: {', '.join(own)}",
        lambda own=own: each_system(
            "data/{dataset}/systems/{system}/{setting}/queries.npy", only(own), TEXTS
        )
        + each_system(rules.distill.output.index, only(own), VECTORS),
    )
    for stage, own in by_method(JOINT).items()
}


def embedded_by_pretrained():
    """Return what the encoder as it came embeds, where figure 1 or 4 shows it, or STAR reads it."""
    exact = [s for s in SYSTEMS.of_form(Form.EXACT) if s in FIGURE1 or s in FIGURE4]
    shown = any(entry(s)["start"] == PRETRAINED for s in exact)
    files = ["docs.npy"] * is_read("star", "docs") + ["flat.faiss", "queries.npy"] * shown
    folder = "data/{dataset}/pretrained"
    return [f for name in files for f in each_dataset(f"{folder}/{name}", among=TEXTS)]


# One DVC stage and one target rule stage_<name> each, in order. The params that a stage depends on are
# noted while these functions, its rules and its jobs read them (reads.py).
FIRST = {
    "download": Stage(
        "the pinned files that the datasets are made from",
        lambda: each_dataset("data/{dataset}/source", kinds=list(DOWNLOADED)),
    ),
    "corpus": Stage(
        "the documents, queries and judgements of each dataset",
        lambda: each_dataset("data/{dataset}/collection"),
    ),
    "pretrained": Stage(
        "the encoder before training, and what it embeds where that is read",
        lambda: each_dataset("data/{dataset}/pretrained/model", among=TEXTS)
        + each_dataset("data/{dataset}/fits/figure4.json")
        + embedded_by_pretrained(),
    ),
    "star": Stage(
        "STAR, the dual encoder that all indexes start from, and what it embeds",
        lambda: each_dataset("data/{dataset}/star/model", among=TEXTS)
        + each_dataset("data/{dataset}/star/flat.faiss")
        + each_dataset("data/{dataset}/star/queries.npy")
        + each_dataset("data/{dataset}/star/train.npy"),
    ),
}
STAGES = {
    **FIRST,
    **FITTED,
    "tune": Stage(
        "the settings of JPQ that dev likes best",
        lambda: (
            each_dataset(rules.tune.output.chosen, among=TEXTS) if config["tune"]["run"] else []
        ),
    ),
    **TRAINED_INDEXES,
    **TRAINED_ENCODERS,
    "search": Stage(
        "what each system of figure 4 finds for each query",
        lambda: each_system(rules.retrieve.output.meta),
    ),
    "measure": Stage(
        "the effectiveness of each system of figure 4, with intervals and p values",
        lambda: [*made("results", "comparisons"), *rules.groups.output],
    ),
    "expand": Stage(
        "queries that a generator writes for each document, and the generator",
        lambda: generated_queries(),
    ),
    "asi": Stage(
        "ASI, ASI++ and their variants: identifiers, decoders, what they find; and their baselines",
        lambda: each_training(rules.measure_ids.output.values)
        + each_training(rules.cold_start.output.table, only="holdout")
        + of_baselines(BASELINE)
        + of_rescored(RESCORED),
    ),
    "asi_report": Stage(
        "the tables and figures of ASI++",
        lambda: [
            *rules.asi_results.output,
            *reported("asi_report"),
        ],
    ),
    "speed": Stage(
        "figure 5, tables 1 and 2: other ways to search, and how fast each system is",
        lambda: [
            *made("results-speed", "comparisons-speed"),
            *rules.latencies.output,
            *reported("speed"),
        ],
    ),
    "scale": Stage(
        "the synthetic ladder: how speed grows with the number of documents",
        lambda: [*rules.scale.output, *reported("scale")],
    ),
    "ablation": Stage(
        "figure 7: what each part of JPQ's training is worth",
        lambda: [
            *made("results-ablation", "comparisons-ablation"),
            *reported("ablation"),
        ],
    ),
    "retrievers": Stage(
        "figure 1, tables 3 and 5: other retrievers",
        lambda: [
            *made("results-retrievers", "comparisons-retrievers"),
            *reported("retrievers"),
        ],
    ),
    "negatives": Stage(
        "figure 3: the negatives that JPQ trains on",
        lambda: [
            *each_dataset(rules.negatives.output.overlap, among=TEXTS),
            *reported("negatives"),
        ],
    ),
    "report": Stage(
        "figure 4 and its tables: effectiveness and index size",
        lambda: reported("report"),
    ),
}
_own = FITTED | TRAINED_INDEXES | TRAINED_ENCODERS
if _others := [s for s in _own if s in (*FIRST, "tune") or STAGES[s] is not _own[s]]:
    refuse(
        "figure4.systems",
        f"the method {_others[0]} has the name of a stage",
        "Choose another name for it",
    )
for _report in reports().values():
    check_names(_report, "stage", [_report.stage], STAGES)

# the stages that `rule all` asks for; some need a dataset with text
REPORTS = ["report", "speed", "scale", "ablation", "negatives", "retrievers", "asi_report"]
if not TEXTS:
    REPORTS = ["report", "scale", "asi_report"]

for _stage, _what in STAGES.items():

    rule:
        name:
            f"stage_{_stage}"
        input:
            _what.targets(),
        localrule: True


def models():
    """Return DVC's artifacts: JPQ's index and query encoder at the size that table 1 shows."""
    M = config["table1"]["M"]
    files = {"index": "index.faiss", "query-encoder": "query_encoder"}
    return {
        f"{d}-jpq-{kind}": {
            "path": f"data/{d}/systems/jpq/M{M}/{name}",
            "type": "model",
            "desc": f"JPQ's {kind.replace('-', ' ')} of {M} bytes a document, for {d}",
        }
        for d in DATASETS
        for kind, name in files.items()
        if "jpq" in FIGURE4 and M in widths("jpq") and (d in TEXTS or kind == "index")
    }
