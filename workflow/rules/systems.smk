from types import SimpleNamespace

# Which systems are run, at which settings, and where their indexes are. A setting's folder is named
# by its size: flat, M48, M48-seed2, efSearch64, or M48-nprobe8.

from dataclasses import fields

from jointir.encode.source import dimension, folder_of
from jointir.methods import known
from jointir.search.ann.registry import SYSTEMS as ANN, missing
from jointir.search.fits import check_width

BUILT = [s for s in SYSTEMS.of_form(Form.INDEX) if SYSTEMS.methods[s] in known.fitted()]
JOINT = [s for s in SYSTEMS.of_form(Form.INDEX) if SYSTEMS.facts(s).trains]
BRUTE = ["brute-force", "brute-force-pretrained"]  # measured beside what figure 4 shows


def widths(system):
    """Return the M of an index: its own, or those of `sweep`."""
    return entry(system).get("M") or config["sweep"]["M"]


def seeds_at(system, M):
    """Return the seeds that an index is trained with at one M; none where it has one seed alone."""
    seeds = entry(system).get("seeds", [])
    return seeds if M in entry(system).get("every_seed", [M]) else seeds[:1]


def sizes(system):
    """Return the names of a system's settings, in the order of its sweep."""
    form = SYSTEMS.facts(system).form
    if form == Form.LIBRARY:
        ((knob, values),) = entry(system)["sweep"].items()
        return [f"{knob}{value}" for value in values]
    if form != Form.INDEX:
        return ["flat"]
    if probes := entry(system).get("nprobe"):
        return [f"M{M}-nprobe{n}" for M in widths(system) for n in probes]
    if entry(system).get("seeds"):
        return [f"M{M}-seed{s}" for M in widths(system) for s in seeds_at(system, M)]
    return [f"M{M}" for M in widths(system)]


def ablation_sizes(system):
    """Return the names of a system's settings in figure 7.

    JPQ is trained with each seed that one of its variants has at the same M. Its own seed is trained
    anyway, and its folder is the one without a seed.
    """
    if system != "jpq":
        return sizes(system)
    own, variants = entry("jpq")["seed"], config["figure7"]["systems"]
    found = []
    for M in widths("jpq"):
        others = [s for v in variants if M in widths(v) for s in seeds_at(v, M)]
        found += [f"M{M}", *(f"M{M}-seed{s}" for s in dict.fromkeys(others) if s != own)]
    return found


def installed(systems):
    """Return the systems whose library is here, and say which are left out for want of one."""
    return [system for system in systems if is_installed(system)]


@cache  # said once
def is_installed(system):
    """Return whether the library of a system is here, and say so where it is not."""
    library = missing(SYSTEMS.methods[system])
    if library:
        logger.warning(
            f"{system} is left out: it needs {library}, in the extra `ann`"
            " (pip install -e '.[ann]')"
        )
    return not library


def module_of(system):
    """Return the name of the module of a system's method."""
    return SYSTEMS.methods[system].replace("-", "_")


def fit_settings(system):
    """Return the settings that an index is fitted with, without M, which is swept."""
    names = [field.name for field in fields(known.settings(SYSTEMS.methods[system]))]
    own = entry(system)
    return {name: own[name] for name in names if name != "M" and name in own}


def refuse(where, found, remedy):
    """End with one line: WorkflowError would put lines of the Snakefile around it."""
    sys.exit(str(InputError(where, found, remedy)))


def swept(option):
    """Return no file, or refuse the M of a report that nothing is trained with.

    An input function: it is asked where the report is wanted, before anything is run.
    """
    M, trained = config[option]["M"], widths("jpq")
    where = "systems.jpq.M" if "M" in entry("jpq") else "sweep.M"
    if M not in trained:
        refuse(f"{option}.M", f"{M} is not in {where}", f"Choose of {trained}, or add it there")
    return []


def all_steps(wildcards):
    """Return no file, or refuse an ablation that lacks a step of figure 7."""
    for name in ("jpq-neg", "jpq-loss"):
        if name not in config["figure7"]["systems"]:
            refuse("figure7.systems", f"{name!r} is not in it", "Figure 7 needs it: add it")
    return []


def divided(wildcards):
    """Return no file, or refuse an M of the synthetic ladder that does not divide a dimension."""
    M = config["scale"]["M"]
    for D in config["scale"]["dims"]:
        if D % M:
            refuse("scale.M", f"{M} does not divide the dimension {D}", "Change one of the two")
    return []


def with_starts(systems):
    """Return some systems, and after them what trained indexes among them start from.

    A trained index is compared with its start in the tables.
    """
    starts = [entry(s)["start"] for s in systems if s in JOINT]
    return list(dict.fromkeys([*systems, *starts]))


def is_timed(system):
    """Return whether a system is a way to search of its own.

    Brute force with another encoder than STAR's is none, nor is a training with another seed. Codes
    of 4 bits are laid out for FastScan by the training that starts from them: where it starts, the
    file is laid out for training.
    """
    facts = SYSTEMS.facts(system)
    if facts.form == Form.EXACT:
        return entry(system)["start"] == "star"
    start_of_4_bits = not facts.trains and entry(system).get("bits") == 4
    return facts.form in (Form.INDEX, Form.LIBRARY) and not (
        start_of_4_bits or "seeds" in entry(system)
    )


def needs_text(system):
    """Return whether a dataset of vectors cannot have a system.

    Its JPQ is trained with the settings of `distill`: it has none whose settings differ from those
    of `jpq`.
    """
    facts, start = SYSTEMS.facts(system), entry(system).get("start")
    if facts.form == Form.EXACT:
        return start != "star"
    differs = SYSTEMS.methods[system] == "jpq" and (own_settings(system) or untuned(system))
    return bool(facts.needs_text or differs or (start in JOINT and needs_text(start)))


# The systems of each figure, with the names of their settings.
ABLATION = Lazy(
    lambda: ["jpq", *config["figure7"]["systems"], "opq", "brute-force"], ablation_sizes
)
FIGURE1 = Lazy(lambda: installed(config["figure1"]["systems"]), sizes)
FIGURE4 = Lazy(
    lambda: list(dict.fromkeys([*with_starts(installed(config["figure4"]["systems"])), *BRUTE])),
    sizes,
)
if VECTORS and workflow.is_main_process:
    _left_out = ", ".join(s for s in FIGURE4 if needs_text(s))
    logger.warning(
        f"{', '.join(VECTORS)}: given as vectors, so {_left_out} and all figures but 4 are left out:"
        " they need text and an encoder"
    )
FIGURE5 = Lazy(
    lambda: [
        *(s for s in FIGURE4 if is_timed(s)),
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
        if d in TEXTS or not needs_text(s)
        for size in sizes
    ]


def curves():
    """Return {training.csv: "dataset system setting"} of every training of figure 4."""
    found = {}
    for d in DATASETS:
        if d in TEXTS:
            found[f"data/{d}/star/training.csv"] = f"{d} star"
        for folder, name, systems in (
            ("{dataset}/{system}", "{dataset} {system}", SYSTEMS.of_form(Form.ENCODER)),
            ("{dataset}/systems/{system}/{size}", "{dataset} {system} M={M}", JOINT),
        ):
            files = each_system(f"data/{folder}/training.csv", only(systems), [d])
            found |= zip(files, each_system(name, only(systems), [d]))
    return found


def only(names, systems=FIGURE4):
    """Return those of `systems` that are among `names`."""
    return {s: systems[s] for s in systems if s in names}


def library(system):
    """Return the module that wraps the library of a system, if any, without the package's name."""
    found = ANN.get(SYSTEMS.methods[system], "")
    return [found.split(":")[0].removeprefix("jointir.")] if found else []


def build_settings(wildcards):
    """Return the options that an ANN index is built with; M is the size's where it is swept."""
    own = dict(entry(wildcards.system)["build"])
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
        name, *given = told.split()
        system, _, method = name.partition(":")
        M = dict(setting.split("=") for setting in given).get("M")
        if M and SYSTEMS.facts(system).form == Form.INDEX:
            try:
                check_width(method or system, int(M), D)
            except InputError as e:
                where, found, remedy = e.parts
                refuse(f"{system}, {where}", found, remedy)
    return []


def all_settings(figure, of_vectors=False):
    """Return "NAME:METHOD setting=value ..." of every index of a figure: what it is built with.

    The method is left out where it is the name. Of systems that are built alike the first is told.
    """
    found = {}
    for system, its_sizes in CHECKED[figure].items():
        if of_vectors and needs_text(system):
            continue
        for size in its_sizes:
            method, own = SYSTEMS.methods[system], settings_of(system, size)
            if SYSTEMS.facts(system).form in (Form.INDEX, Form.LIBRARY):
                name = system if system == method else f"{system}:{method}"
                found.setdefault((method, *own), " ".join([name, *own]))
    return list(found.values())  # sizes may differ in how they are searched alone


def settings_of(system, size):
    """Return "setting=value" of all that decides whether an index can be built."""
    M = re.match(r"M(\d+)", size)
    if SYSTEMS.facts(system).form == Form.LIBRARY:
        own = dict(entry(system)["build"])
    else:  # what is trained or put in lists has the codes of its start
        own = {k: entry(system)[k] for k in ("sample", "bits", "nlist") if k in entry(system)}
        built = system
        while built not in BUILT and SYSTEMS.facts(built).form == Form.INDEX:
            built = entry(built)["start"]
            own |= {k: entry(built)[k] for k in ("sample", "bits") if k in entry(built)}
    own = {**own, "M": M[1]} if M else own
    return [f"{name}={value}" for name, value in sorted(own.items())]


def folder_of_start(system, M):
    """Return the folder of the index that a system starts from, below systems/."""
    start = entry(system)["start"]
    seeds = seeds_at(start, int(M))
    return f"{start}/M{M}-seed{seeds[0]}" if seeds else f"{start}/M{M}"


def start_of(wildcards):
    """Return the index that another one starts from."""
    folder = folder_of_start(wildcards.system, wildcards.M)
    return f"data/{wildcards.dataset}/systems/{folder}/index.faiss"


TUNE = ("steps", "warmup", "least", "seed")  # of `tune`, in place of what `jpq` has
NO_OPTION = ("start", "teacher", "M", "seeds", "every_seed")  # of an entry: told in another way


def training_of(system):
    """Return the settings of a training that are options of its stage."""
    return {k: v for k, v in entry(system).items() if k not in NO_OPTION}


def tune_options():
    """Return the options of `jointir tune` that are a training's.

    Without JPQ's `checkpoint_minutes`: it changes no choice, and would have it made again.
    """
    shared = {k: v for k, v in training_of("jpq").items() if k != "checkpoint_minutes"}
    return options(shared | {k: config["tune"][k] for k in TUNE})


def middle():
    """Return the M of JPQ in the middle of its sweep, the lower of two."""
    Ms = sorted(widths("jpq"))
    return Ms[(len(Ms) - 1) // 2]


def candidates():
    """Return the settings that `tune` tries, as its options have them; the first are JPQ's own."""
    tried = config["tune"]["candidates"].values()
    return ["", *(" ".join(f"{k}={v}" for k, v in sorted(own.items())) for own in tried)]


def untuned(system):
    """Return whether `tune` changes nothing of a system: it is not like `jpq`."""
    return "jpq" not in SYSTEMS.chains[system]


def own_settings(system):
    """Return the settings in which a system differs from `jpq`, which `tune` does not change."""
    chain = SYSTEMS.chains[system]
    differing = () if untuned(system) else chain[: chain.index("jpq")]
    named = {key for name in differing for key in config["systems"][name]}
    return sorted(named & set(training_of(system)))


def tuned(wildcards):
    """Return the file of settings chosen on dev, where they are."""
    wanted = config["tune"]["run"] and not untuned(wildcards.system)
    return [f"data/{wildcards.dataset}/tune/jpq.json"] if wanted else []


def embedded(wildcards, name, *needed_for):
    """Return a matrix of STAR's where a training of JPQ may need it: to hash it, too, takes time.

    needed_for: settings, of which one is on, or may be where `tune` chooses.
    """
    own = entry(wildcards.system)
    wanted = tuned(wildcards) or any(own.get(setting) for setting in needed_for)
    return [f"data/{wildcards.dataset}/star/{name}"] if wanted else []


def jpq_options(wildcards):
    """Return the options of `jointir jpq` for a system, and the seed where its folder names one.

    What the system itself says, `tune` does not change.
    """
    seed = {"seed": wildcards.seed} if "seed" in wildcards.keys() else {}
    told = options(training_of(wildcards.system) | seed)
    return f"{told} {repeat('own', own_settings(wildcards.system))}".strip()


def dpq_options(wildcards):
    """Return the options of `jointir dpq` that are a training's."""
    return options(training_of(wildcards.system))


def of_encoder(system, dataset, documents=False):
    """Return the folder of the encoder that embeds the queries of a system, or its documents."""
    facts = SYSTEMS.facts(system) if system in SYSTEMS else None
    if facts and (facts.form == Form.EXACT or (documents and not facts.own_documents)):
        return of_encoder(entry(system)["start"], dataset, documents)
    return f"data/{dataset}/{system}"


def index_of(wildcards):
    """Return where a system's index is, and the queries that are embedded for it."""
    dataset, system, size = wildcards.dataset, wildcards.system, wildcards.size
    base, form = f"data/{dataset}/systems", SYSTEMS.facts(system).form
    queries = f"data/{dataset}/star/queries.npy"
    if form in (Form.EXACT, Form.ENCODER):
        documents = of_encoder(system, dataset, documents=True)
        return f"{documents}/flat.faiss", f"{of_encoder(system, dataset)}/queries.npy"
    own = f"{base}/{system}"
    if form == Form.LIBRARY:
        return f"{own}/{size}/index" if size.startswith("M") else f"{own}/index", queries
    own = f"{own}/{size if '-seed' in size else size.split('-')[0]}"
    if dataset in VECTORS:  # there is no query encoder
        return f"{own}/index.faiss", queries
    if system in JOINT:
        queries = f"{own}/queries.npy"
    elif system not in BUILT:  # its codes and its query encoder are those of its start
        M = re.match(r"M(\d+)", size)[1]
        queries = f"{base}/{folder_of_start(system, M)}/queries.npy"
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
    if SYSTEMS.facts(system).counts_bits:
        return f"bits={8 * int(size[1:])}"
    named = re.sub(r"([A-Za-z_]+)(\d+)-?", r"\1=\2 ", size).strip()
    of_4_bits = SYSTEMS.facts(system).bits and bits_of(ENTRIES, system) == 4
    return f"{named} K=16" if of_4_bits else named


def value(wildcards):
    """Return the value of the knob that a size names, 0 where the index has none."""
    named = re.search(r"([A-Za-z_]+)(\d+)$", wildcards.size)
    return int(named[2]) if named and named[1] not in ("M", "seed") else 0


def seed_of(wildcards):
    """Return the seed of what made a system's index."""
    if named := re.search(r"-seed(\d+)$", wildcards.size):
        return int(named[1])
    if wildcards.dataset in VECTORS and wildcards.system in JOINT:
        return config["distill"]["seed"]
    return entry(wildcards.system).get("seed", entry("star")["seed"])


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
    return entry(wildcards.encoder)["start"]


def docs_of_dual(wildcards):
    """Return the embeddings by that encoder, where its own negatives are trained with."""
    if entry(wildcards.encoder)["negatives"] != "own":
        return []
    return [f"data/{wildcards.dataset}/{start_of_dual(wildcards)}/docs.npy"]


def encoder_options(system):
    """Return the options of a retriever's training."""
    return options(training_of(system))
