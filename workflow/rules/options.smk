from types import SimpleNamespace

# What the stages of a system are told, and where their inputs are.


def folder_of_start(system, M):
    """Return the folder of the index that a system starts from, below systems/."""
    start = entry(system)["start"]
    seeds = seeds_at(start, int(M))
    return f"{start}/M{M}-seed{seeds[0]}" if seeds else f"{start}/M{M}"


def start_of(wildcards):
    """Return the index that another one starts from."""
    folder = folder_of_start(wildcards.system, re.match(r"M(\d+)", wildcards.setting)[1])
    return f"data/{wildcards.dataset}/systems/{folder}/index.faiss"


TUNE = ("steps", "warmup", "least", "seed")  # of `tune`, in place of what `jpq` has
LAUNCH = (  # of a training that several processes may share, one for each GPU
    "$([ {resources.gpu} -lt 2 ] || echo accelerate launch --multi_gpu --main_process_port 0"
    " --num_processes {resources.gpu} -m) "
)
NO_OPTION = (
    "start",
    "teacher",
    "M",
    "seeds",
    "every_seed",
    "search",
)  # of an entry: told in another way


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


def as_jpq(system):
    """Return whether a system is trained as JPQ is: its method has JPQ's settings, and maybe more."""
    return system in JOINT and issubclass(settings_class(system), known.settings("jpq"))


def untuned(system):
    """Return whether `tune` changes nothing of a system: it is not like `jpq`, or no kind of JPQ."""
    return "jpq" not in SYSTEMS.chains[system] or not as_jpq(system)


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


# the embeddings by STAR that a training of query encoder and index may read, by its option
EMBEDDED = {"docs": "docs.npy", "teacher": "train.npy"}


def embedded(wildcards, option):
    """Return a matrix of STAR's where a training may read it: to hash it, too, takes time."""
    wanted = is_read(wildcards.system, option, tuned(wildcards))
    return [f"data/{wildcards.dataset}/star/{EMBEDDED[option]}"] if wanted else []


def is_read(system, option, chosen=()):
    """Return whether a training reads an optional file, as `reads` of its method says.

    That is always, or where one of some conditions holds, or may hold: `tune` has `chosen`.
    """
    conditions = SYSTEMS.facts(system).reads.get(option)
    if conditions is None:
        return False
    return not conditions or bool(chosen) or any(holds(one, system) for one in conditions)


def holds(condition, system):
    """Return whether a setting is on, or has the value that the condition names after an =."""
    name, _, wanted = condition.partition("=")
    value = entry(system).get(name, getattr(settings_class(system), name, None))
    return value == wanted if wanted else bool(value)


def seed_named(wildcards):
    """Return the seed that the name of a setting ends with, None where it names none."""
    named = re.search(r"-seed(\d+)$", wildcards.setting)
    return int(named[1]) if named else None


def joint_options(wildcards):
    """Return the options that a system's training has, with the seed where its folder names one.

    What the system itself says, `tune` does not change.
    """
    seed = seed_named(wildcards)
    told = options(training_of(wildcards.system) | ({} if seed is None else {"seed": seed}))
    return f"{told} {repeat('own', own_settings(wildcards.system))}".strip()


def library(system):
    """Return the module of a system that a library builds and searches, without the package's name."""
    method = SYSTEMS.methods[system]
    return [module_of(method)] if SYSTEMS.facts(system).form == Form.LIBRARY else []


def library_settings(system):
    """Return the settings that a library's index is built with, without the one that is swept."""
    own = entry(system)
    return {
        field.name: own[field.name] for field in fields(settings_class(system)) if field.name in own
    }


def library_options(wildcards):
    """Return the same as options; M is the folder's where it is swept."""
    swept = {"M": wildcards.M} if "M" in wildcards.keys() else {}
    return options(library_settings(wildcards.system) | swept)


def of_encoder(system, dataset, documents=False):
    """Return the folder of the encoder that embeds the queries of a system, or its documents."""
    facts = SYSTEMS.facts(system) if system in SYSTEMS else None
    if facts and (facts.form == Form.EXACT or (documents and not facts.own_documents)):
        return of_encoder(entry(system)["start"], dataset, documents)
    return f"data/{dataset}/{system}"


def index_of(wildcards):
    """Return where a system's index is, and the queries that are embedded for it."""
    dataset, system, setting = wildcards.dataset, wildcards.system, wildcards.setting
    base, form = f"data/{dataset}/systems", SYSTEMS.facts(system).form
    queries = f"data/{dataset}/star/queries.npy"
    if form in (Form.EXACT, Form.ENCODER):
        documents = of_encoder(system, dataset, documents=True)
        return f"{documents}/flat.faiss", f"{of_encoder(system, dataset)}/queries.npy"
    own = f"{base}/{system}"
    if form == Form.LIBRARY:
        return f"{own}/{setting}/index" if setting.startswith("M") else f"{own}/index", queries
    own = f"{own}/{setting if '-seed' in setting else setting.split('-')[0]}"
    if dataset in VECTORS:  # there is no query encoder
        return f"{own}/index.faiss", queries
    if system in JOINT:
        queries = f"{own}/queries.npy"
    elif system not in BUILT:  # its codes and its query encoder are those of its start
        M = re.match(r"M(\d+)", setting)[1]
        queries = f"{base}/{folder_of_start(system, M)}/queries.npy"
    return f"{own}/index.faiss", queries


def encoder_of(queries):
    """Return the encoder that made a matrix of queries."""
    folder = Path(queries).parent
    return f"{folder}/{'query_encoder' if 'systems' in folder.parts else 'model'}"


def shown_setting(wildcards):
    """Return what tables call a setting: M=48, M=96 K=16, bits=384, efSearch=64, or nothing."""
    system, setting = wildcards.system, wildcards.setting.split("-seed")[0]
    if setting == "flat":
        return ""
    if SYSTEMS.facts(system).counts_bits:
        return f"bits={8 * int(setting[1:])}"
    named = re.sub(r"([A-Za-z_]+)(\d+)-?", r"\1=\2 ", setting).strip()
    of_4_bits = SYSTEMS.facts(system).bits and bits_of(ENTRIES, system) == 4
    return f"{named} K=16" if of_4_bits else named


def value(wildcards):
    """Return the value of the search parameter that a setting names, 0 where the index has none."""
    named = re.search(r"([A-Za-z_]+)(\d+)$", wildcards.setting)
    return int(named[2]) if named and named[1] not in ("M", "seed") else 0


def seed_of(wildcards):
    """Return the seed of what made a system's index."""
    if (seed := seed_named(wildcards)) is not None:
        return seed
    if wildcards.dataset in VECTORS and wildcards.system in JOINT:
        return config["distill"]["seed"]
    return entry(wildcards.system).get("seed", entry("star")["seed"])


def timed(dataset):
    """Return the systems and settings of figure 5 that are ways to search, like wildcards."""
    return [
        SimpleNamespace(dataset=dataset, system=system, setting=setting)
        for system, settings in FIGURE5.items()
        for setting in settings
    ]


def latency_options(wildcards):
    """Return the options that tell the latency stage of each system and setting, in parallel."""
    options = []
    for w in timed(wildcards.dataset):
        index, queries = index_of(w)
        meta = f"data/{w.dataset}/runs/{w.system}/{w.setting}/meta.json"
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
        f"data/{w.dataset}/runs/{w.system}/{w.setting}/meta.json" for w in timed(wildcards.dataset)
    }
    return sorted(files | metas)


def start_of_encoder(wildcards):
    """Return the encoder that another one is trained from."""
    named = "start" in SYSTEMS.facts(wildcards.encoder).references
    return entry(wildcards.encoder)["start"] if named else PRETRAINED


def read_by_encoder(wildcards, option):
    """Return an optional file of a training of an encoder, where it reads it."""
    if not is_read(wildcards.encoder, option):
        return []
    if option == "teacher":
        return [f"data/{wildcards.dataset}/{entry(wildcards.encoder)['teacher']}/model"]
    return [f"data/{wildcards.dataset}/{start_of_encoder(wildcards)}/docs.npy"]


def encoder_paths(wildcards, input):
    """Return the options of what a training of an encoder reads."""
    read = {"collection": [input.collection], "encoder": [input.model]}
    read |= {"docs": input.docs, "teacher": input.teacher}
    return " ".join(repeat(option, files) for option, files in read.items() if files)


def encoder_options(wildcards):
    """Return the options of a training of an encoder: its settings, and how it embeds."""
    own, kind = training_of(wildcards.encoder), settings_class(wildcards.encoder)
    embeds = hasattr(kind, "batch_tokens")
    return options(own | ({"batch_tokens": config["embed"]["batch_tokens"]} if embeds else {}))


def embedding(splits=()):
    """Return a function that returns the options of how texts are embedded: queries of `splits`."""

    def asked(wildcards):
        own = {name: value for name, value in config["embed"].items() if name != "shards"}
        return f"{options(own)} {repeat('split', splits)}"

    return asked


def encoder_validation(wildcards):
    """Return the options of how it is measured: what embeds documents ranks a sample of them."""
    sampled = SYSTEMS.facts(wildcards.encoder).own_documents
    return validation(wildcards, *["documents"] * sampled)


def rule_name(method):
    """Return the name of a method's rule, or refuse one that is taken."""
    name = method.replace("-", "_")
    if workflow.is_rule(name):
        refuse(known.path_of(method), f"another rule is named {name!r}", "Choose another name")
    return name
