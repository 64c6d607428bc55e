import re
from pathlib import Path
from types import SimpleNamespace

# Which systems are run, at which settings, and where their indexes are. A setting's folder is named
# by its size: flat, M48, efSearch64, or M48-nprobe8.

from jointir.encode.source import dimension, folder_of
from jointir.search.ann.registry import SYSTEMS as ANN, missing
from jointir.search.fits import check_width

TRAINED_WITH = {"jpq": "opq", "jpq-4bit": "opq-4bit", "dpq": "opq"}  # and what each starts from
# JPQ's ablation: what is left out or trained in another way, each with its own M and seeds.
VARIANTS_OF_JPQ = variants("ablation")
# Retrievers beside STAR: dual encoders that differ in their negatives, and the others.
DUAL = ["rand-neg", "bm25-neg", "ance"]
DENSE = [*DUAL, "tct-colbert", "adore"]  # searched by brute force, as STAR is
BUILT = ["opq", "opq-4bit", "pq", "itq-lsh", "lsh"]
BRUTE = ["brute-force", "brute-force-pretrained"]
FLAT = [*BRUTE, *DENSE, "bm25", "colbert"]  # nothing of them is swept
NEED_TEXT = [
    "dpq",
    "adore",
    "brute-force-pretrained",
]  # of figure 4: left out of a dataset of vectors
SWEPT = ["jpq", "opq", "pq", "lsh"]  # at each M of `sweep`; others have M of their own


def sizes(system):
    """Return the names of a system's settings, in the order of its sweep."""
    if system in ANN:
        ((knob, values),) = config["ann"][system]["sweep"].items()
        return [f"{knob}{value}" for value in values]
    if system in FLAT:
        return ["flat"]
    Ms = [f"M{M}" for M in config["sweep" if system in SWEPT else system]["M"]]
    if system != "ivf-jpq":
        return Ms
    return [f"{M}-nprobe{n}" for M in Ms for n in config[system]["nprobe"]]


def installed(systems):
    """Return the systems whose library is here, and say which are left out for want of one."""
    return [system for system in systems if is_installed(system)]


@cache  # said once
def is_installed(system):
    """Return whether the library of a system is here, and say so where it is not."""
    library = missing(system) if system in ANN else ""
    if library:
        logger.warning(
            f"{system} is left out: it needs {library}, in the extra `ann`"
            " (pip install -e '.[ann]')"
        )
    return not library


def ablation_sizes(system):
    """Return the names of a system's settings in the ablation: one for each M and seed.

    JPQ's own seed is trained anyway, and its folder is the one without a seed.
    """
    if system in ("opq", "brute-force"):
        return sizes(system)
    own = VARIANTS_OF_JPQ.get(system, {})
    seeds = own.get("seeds", config["ablation"]["seeds"])
    return [
        f"M{M}" if (system, seed) == ("jpq", config["jpq"]["seed"]) else f"M{M}-seed{seed}"
        for M in own.get("M", config["sweep"]["M"])
        for seed in (seeds if M in config["ablation"]["every_seed"] else seeds[:1])
    ]


def refuse(where, found, remedy):
    """End with one line: WorkflowError would put lines of the Snakefile around it."""
    sys.exit(str(InputError(where, found, remedy)))


def swept(option):
    """Return no file, or refuse the M of a report that nothing is trained with.

    An input function: it is asked where the report is wanted, before anything is run.
    """
    M, trained = config[option]["M"], config["sweep"]["M"]
    if M not in trained:
        refuse(f"{option}.M", f"{M} is not in sweep.M", f"Choose of {trained}, or add it there")
    return []


def all_steps(wildcards):
    """Return no file, or refuse an ablation that lacks a step of figure 7."""
    for name in ("jpq-neg", "jpq-loss"):
        if name not in config["ablation"]["run"]:
            refuse("ablation.run", f"{name!r} is not in it", "Figure 7 needs it: add it")
    return []


def divided(wildcards):
    """Return no file, or refuse an M of the synthetic ladder that does not divide a dimension."""
    M = config["scale"]["M"]
    for D in config["scale"]["dims"]:
        if D % M:
            refuse("scale.M", f"{M} does not divide the dimension {D}", "Change one of the two")
    return []


# The systems of each figure, with the names of their settings.
ABLATION = Lazy(lambda: ["jpq", *VARIANTS_OF_JPQ, "opq", "brute-force"], ablation_sizes)
FIGURE1 = Lazy(lambda: [*config["retrievers"]["run"], "brute-force", "jpq", "opq", "lsh"], sizes)
FIGURE4 = Lazy(lambda: [*installed(config["figure4"]["systems"]), *BRUTE], sizes)
if VECTORS and workflow.is_main_process:
    _left_out = ", ".join(s for s in FIGURE4 if s in NEED_TEXT)
    logger.warning(
        f"{', '.join(VECTORS)}: given as vectors, so {_left_out} and all figures but 4 are left out:"
        " they need text and an encoder"
    )
# Measured, but no other way to search: brute force with the untrained encoder or ADORE's is that with
# STAR's; and where JPQ 4-bit starts, whose file is laid out for training and not for FastScan.
UNTIMED = ["brute-force-pretrained", "adore", "opq-4bit"]
FIGURE5 = Lazy(
    lambda: [
        *(s for s in FIGURE4 if s not in UNTIMED),
        *(s for s in installed(config["figure5"]["systems"]) if s not in FIGURE4),
    ],
    sizes,
)


def of_texts(wildcards):
    """Return no file, or refuse a report that a dataset of vectors has no part in."""
    if not TEXTS:
        refuse("figure4.datasets", "all are vectors", "Name one with text: this needs an encoder")
    return []


def each_system(pattern, systems=FIGURE4, among=DATASETS):
    """Return `pattern` for every dataset, and every system and size of `systems`, in one order.

    Its wildcard {M} is the number in {size}; {split} stays. Datasets of vectors have figure 4 alone.
    """
    others = any(systems is own for own in (ABLATION, FIGURE1, FIGURE5))
    return [
        str(pattern).format(dataset=d, system=s, size=size, M=size[1:], split="{split}")
        for d in (TEXTS if others else among)
        for s, sizes in systems.items()
        if d in TEXTS or s not in NEED_TEXT
        for size in sizes
    ]


def curves():
    """Return {training.csv: "dataset system setting"} of every training of figure 4."""
    found = {}
    for d in DATASETS:
        if d in TEXTS:
            found[f"data/{d}/star/training.csv"] = f"{d} star"
        for folder, name, systems in (
            ("{dataset}/{system}", "{dataset} {system}", ["adore"]),
            ("{dataset}/systems/{system}/{size}", "{dataset} {system} M={M}", TRAINED_WITH),
        ):
            files = each_system(f"data/{folder}/training.csv", only(systems), [d])
            found |= zip(files, each_system(name, only(systems), [d]))
    return found


def only(names, systems=FIGURE4):
    """Return those of `systems` that are among `names`."""
    return {s: systems[s] for s in systems if s in names}


def library(system):
    """Return the module that wraps the library of an ANN system, without the package's name."""
    return ANN[system].split(":")[0].removeprefix("jointir.")


def build_settings(wildcards):
    """Return the options that an ANN index is built with; M is the size's where it is swept."""
    own = config["ann"][wildcards.system]["build"]
    if "M" in wildcards.keys():
        own = own | {"M": wildcards.M}
    # sorted, for the reason that `options` has
    return " ".join(f"--settings {name}={value}" for name, value in sorted(own.items()))


# whose systems are checked, at the start
CHECKED = {"figure1": FIGURE1, "figure4": FIGURE4, "figure5": FIGURE5, "figure7": ABLATION}


def all_divided(wildcards):
    """Return no file, or refuse a system that does not fit the encoder's dimension.

    Before anything is run, where the dimension is known: that of a model of the hub is not.
    """
    name = config["encoder"]["checkpoint"]
    D = dimension(folder_of(name))
    for told in all_settings(wildcards.figure) if D else []:
        system, *given = told.split()
        M = dict(setting.split("=") for setting in given).get("M")
        if M and system not in ANN:
            try:
                check_width(system, int(M), D)
            except InputError as e:
                where, found, remedy = e.parts
                refuse(f"{system}, {where}", found, remedy)
    return []


def all_settings(figure):
    """Return "NAME setting=value ..." of every index of a figure: what it is built with."""
    systems = CHECKED[figure]
    pairs = [(s, size) for s in systems if s not in FLAT for size in systems[s]]
    known = {*BUILT, *TRAINED_WITH, *ANN, "ivf-jpq"}
    pairs = [(s if s in known else "jpq", size) for s, size in pairs]  # variants of JPQ
    told = [" ".join([s, *settings_of(s, size)]) for s, size in pairs]
    return list(dict.fromkeys(told))  # sizes may differ in how they are searched alone


def settings_of(system, size):
    """Return "setting=value" of all that decides whether an index can be built."""
    M = re.match(r"M(\d+)", size)
    own = config["ann"][system]["build"] if system in ANN else {}
    if system in ("opq", "opq-4bit", "pq"):
        own = {"sample": config[system]["sample"]}
    elif system in TRAINED_WITH or system == "ivf-jpq":
        own = {"sample": config[TRAINED_WITH.get(system, "opq")]["sample"]}
    if system == "ivf-jpq":
        own = own | {"nlist": config[system]["nlist"]}
    own = {**own, "M": M[1]} if M else own
    return [f"{name}={value}" for name, value in sorted(own.items())]


def start_of(wildcards):
    """Return the index that a trained one starts from."""
    start = TRAINED_WITH.get(wildcards.system, "opq")
    return f"data/{wildcards.dataset}/systems/{start}/M{wildcards.M}/index.faiss"


TUNE = ("steps", "warmup", "least", "seed")  # of `tune`, in place of what `jpq` has


def tune_options():
    """Return the options of `jointir tune` that are a training's.

    Without JPQ's `checkpoint_minutes`: it changes no choice, and would have it made again.
    """
    shared = {k: v for k, v in config["jpq"].items() if k != "checkpoint_minutes"}
    return options(shared | {k: config["tune"][k] for k in TUNE})


def middle():
    """Return the M of the sweep in its middle, the lower of two."""
    Ms = sorted(config["sweep"]["M"])
    return Ms[(len(Ms) - 1) // 2]


def candidates():
    """Return the settings that `tune` tries, as its options have them; the first are JPQ's own."""
    tried = config["tune"]["candidates"].values()
    return ["", *(" ".join(f"{k}={v}" for k, v in sorted(own.items())) for own in tried)]


def tuned(wildcards):
    """Return the file of settings chosen on dev, where they are."""
    return [f"data/{wildcards.dataset}/tune/jpq.json"] if config["tune"]["run"] else []


def embedded(wildcards, name, *needed_for):
    """Return a matrix of STAR's where a training of JPQ may need it: to hash it, too, takes time.

    needed_for: settings, of which one is on, or may be where `tune` chooses.
    """
    own = config["jpq"] | VARIANTS_OF_JPQ.get(wildcards.system, {})
    wanted = config["tune"]["run"] or any(own.get(setting) for setting in needed_for)
    return [f"data/{wildcards.dataset}/star/{name}"] if wanted else []


def variant_options(wildcards, input):
    """Return the options of `jointir jpq` for a variant of the ablation and its seed.

    What the variant itself says, `tune` does not change.
    """
    own = VARIANTS_OF_JPQ.get(wildcards.system, {})
    changed = {k: v for k, v in own.items() if k not in ("M", "seeds")}
    told = options(config["jpq"] | changed | {"seed": wildcards.seed})
    return f"{told} {repeat('own', sorted(changed))}"


def index_of(wildcards):
    """Return where a system's index is, and the queries that are embedded for it."""
    base, system, size = f"data/{wildcards.dataset}", wildcards.system, wildcards.size
    queries = f"{base}/star/queries.npy"
    if system.startswith("brute-force"):
        encoder = "pretrained" if system.endswith("pretrained") else "star"
        return f"{base}/{encoder}/flat.faiss", f"{base}/{encoder}/queries.npy"
    own = f"{base}/systems/{system}"
    if system in DENSE:
        documents = "star" if system == "adore" else system
        return f"{base}/{documents}/flat.faiss", f"{base}/{system}/queries.npy"
    if system in ANN:
        return f"{own}/{size}/index" if size.startswith("M") else f"{own}/index", queries
    own = f"{own}/{size if '-seed' in size else size.split('-')[0]}"
    if wildcards.dataset in VECTORS:  # there is no query encoder
        return f"{own}/index.faiss", queries
    if system == "ivf-jpq":  # its codes and its query encoder are JPQ's
        queries = f"{base}/systems/jpq/{size.split('-')[0]}/queries.npy"
    elif system not in BUILT:
        queries = f"{own}/queries.npy"
    return f"{own}/index.faiss", queries


def encoder_of(queries):
    """Return the encoder that made a matrix of queries."""
    folder = Path(queries).parent
    return f"{folder}/{'query_encoder' if 'systems' in folder.parts else 'model'}"


def setting(wildcards):
    """Return what tables call a size: M=48, M=96 K=16, bits=384, efSearch=64, or nothing."""
    system, size = wildcards.system, wildcards.size.split("-seed")[0]
    if size == "flat":
        return ""
    if system.endswith("lsh"):
        return f"bits={8 * int(size[1:])}"
    named = re.sub(r"([A-Za-z_]+)(\d+)-?", r"\1=\2 ", size).strip()
    return f"{named} K=16" if system.endswith("4bit") else named


def value(wildcards):
    """Return the value of the knob that a size names, 0 where the index has none."""
    named = re.search(r"([A-Za-z_]+)(\d+)$", wildcards.size)
    return int(named[2]) if named and named[1] not in ("M", "seed") else 0


def seed_of(wildcards):
    """Return the seed of what made a system's index."""
    if named := re.search(r"-seed(\d+)$", wildcards.size):
        return int(named[1])
    if wildcards.system in ANN:
        return config["ann"][wildcards.system]["seed"]
    if wildcards.dataset in VECTORS and wildcards.system in TRAINED_WITH:
        return config["distill"]["seed"]
    own = {"jpq-4bit": "jpq", "adore": "jpq"}.get(wildcards.system, wildcards.system)
    return config.get(own, config["star"])["seed"]


def timed(dataset):
    """Return the systems and settings of figure 5 that are ways to search, like wildcards."""
    return [
        SimpleNamespace(dataset=dataset, system=system, size=size)
        for system, sizes in FIGURE5.items()
        for size in sizes
    ]


def latency_options(wildcards):
    """Return the options that tell the latency stage of each system and setting, in parallel."""
    options = []
    for w in timed(wildcards.dataset):
        index, queries = index_of(w)
        meta = f"data/{w.dataset}/runs/{w.system}/{w.size}/meta.json"
        options.append(
            f"--index {index} --meta {meta} --value {value(w)} --queries {queries}"
            f" --encoder {encoder_of(queries)}"
        )
    return " ".join(options)


def latency_inputs(wildcards):
    """Return every file that the latency stage reads of the systems, once."""
    files = {f for w in timed(wildcards.dataset) for f in index_of(w)}
    files |= {encoder_of(index_of(w)[1]) for w in timed(wildcards.dataset)}
    metas = {
        f"data/{w.dataset}/runs/{w.system}/{w.size}/meta.json" for w in timed(wildcards.dataset)
    }
    return sorted(files | metas)


def start_of_dual(wildcards):
    """Return the encoder that a dual encoder is trained from."""
    return config["retrievers"][wildcards.encoder].get("start", "pretrained")


def docs_of_dual(wildcards):
    """Return the embeddings by that encoder, where its own negatives are trained with."""
    if config["retrievers"][wildcards.encoder]["negatives"] != "own":
        return []
    return [f"data/{wildcards.dataset}/{start_of_dual(wildcards)}/docs.npy"]


def dual_options(name, leave_out):
    """Return the training options of a retriever: those of `star`, and its own."""
    settings = config["star"] | config["retrievers"][name]
    return options({k: v for k, v in settings.items() if k not in leave_out})


def adore_options():
    """Return the training options of ADORE: those of `jpq`, which has an index, and its own."""
    settings = config["jpq"] | config["retrievers"]["adore"]
    of_index = ("centroid_lr", "ranking", "distillation", "sentences")
    return options({k: v for k, v in settings.items() if k not in of_index})
