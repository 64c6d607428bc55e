from jointir.methods.asi import FOUND, LEAST, NONE
from jointir.methods.facts import GENERATIVE, SPARSE

# What expand.smk, generative.smk, asi.smk and report.smk ask about the trainings of ASI and of its
# generated queries.
VARIANTS = Lazy(lambda: config["asi"]["systems"], entry)
TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
BASELINE = "data/{dataset}/generative/baselines/{system}/{split}.parquet"
# of a ranking whose first documents an encoder ranks anew
RESCORED = "data/{dataset}/generative/rescored/{system}/{split}.parquet"
GENERATED = "data/{dataset}/expand/queries.parquet"  # written for documents
RANKED = "data/{dataset}/runs/{system}/flat/meta.json"
# of a model whose identifiers are given
SHAPE = ("indexer", "length", "vocabulary", "decoder", "layers", "width", "prototypes")
# of an entry: not options of the training
OWN = {"train_decoder", "seeds", "start", "beam", "hybrid_beam", "given", "clusters", "expansion"}
# kinds of given identifiers that a stage of the same name learns, with settings of the same name
LEARNED = ("genret", "novo")
OWN |= {*LEARNED}


def given(variant):
    """Return whether a variant has identifiers that nothing learned."""
    return "given" in VARIANTS[variant]


def of_kinds(*kinds):
    """Return the variants whose given identifiers are of such a kind."""
    return [v for v, own in VARIANTS.items() if own.get("given") in kinds]


def start(variant, name):
    """Return the pattern of what the encoder that a variant starts from left under `name`."""
    return f"data/{{dataset}}/{VARIANTS[variant]['start']}/{name}"


def own_docs(wildcards):
    """Return the file of the documents' embeddings by a variant's own encoder."""
    own = start(wildcards.variant, "docs.npy")
    return own if given(wildcards.variant) else f"{TRAINED}/docs.npy"


def dense_encoders():
    """Return {system: folder} of the model of each baseline that has one."""
    own, forms = config["asi"]["dataset"], (Form.ENCODER, Form.EXACT)
    dense = [s for s in config["asi"]["baselines"] if SYSTEMS.facts(s).form in forms]
    return {s: f"{of_encoder(s, own)}/model" for s in [*dense, *baselines_by(GENERATIVE)]}


def trained_on_all():
    """Return the variants whose training saw every document: the others are of table 3 alone."""
    return [v for v, own in VARIANTS.items() if not own["holdout"]]


def baselines_by(group):
    """Return the baselines that rank by words, by vectors, or by what a decoder writes."""
    return [s for s in config["asi"]["baselines"] if SYSTEMS.facts(s).group == group]


def told_settings():
    """Return "name=value" of each setting of ASI++ that a table can show."""
    own = VARIANTS["asi++"]
    told = {k: v for k, v in own.items() if k not in ("train_decoder", "start")}
    told |= {f"train_decoder.{k}": v for k, v in own["train_decoder"].items()}
    return [f"{name}={value}" for name, value in sorted(told.items())]  # as `options` has it


def training_options(wildcards):
    """Return the options of `jointir asi` that a variant's settings give."""
    return options({k: v for k, v in VARIANTS[wildcards.variant].items() if k not in OWN})


def batched(wildcards):
    """Return no file, or refuse a batch of ASI that cannot hold what it is to encode."""
    settings = VARIANTS[wildcards.variant]
    fresh, batch = settings["fresh"], settings["batch"]
    if fresh > batch // 2:
        where = f"systems.{SYSTEMS.origin(wildcards.variant, 'fresh')}.fresh"
        refuse(where, f"{fresh} of a batch of {batch}", "Choose half of it at most")
    return []


def shaped(wildcards):
    """Return no file, or refuse a shape that a variant's identifiers cannot have."""
    settings, kind = VARIANTS[wildcards.variant], VARIANTS[wildcards.variant].get("given")
    for name, least in LEAST.items():
        value, only = settings[name], FOUND.get(kind, {}).get(name)
        if only is not None and value != only:
            found = f"{value}, and `given: {kind}` has as many as the documents need"
            refuse(told_of(wildcards, name), found, f"Set {only}")
        if only is None and value < least and (name, kind, value) != ("length", "digits", 0):
            found = f"{value}, and nothing else says how many there are"
            refuse(told_of(wildcards, name), found, f"Set {least} at least")
    if settings["decoder"] == "linear" and kind != "atomic":
        found = "linear writes one token, and these identifiers have more"
        refuse(told_of(wildcards, "decoder"), found, "Choose another one, or `given: atomic`")
    if settings["indexer"] == NONE and not kind:
        found = "none, and no identifiers are `given`"
        refuse(told_of(wildcards, "indexer"), found, "Choose a module, or a kind of identifiers")
    if "clusters" in settings and kind != "tree":
        found = "is named, and these identifiers are no tree"
        refuse(told_of(wildcards, "clusters"), found, "Leave it out, or set `given: tree`")
    for name in LEARNED:
        if name in settings and kind != name:
            found = "is named, and these identifiers are not learned by it"
            refuse(told_of(wildcards, name), found, f"Leave it out, or set `given: {name}`")
    if (settings["decoder"] == "sets") != (kind == "novo"):
        found = f"{settings['decoder']}, and the decoder of sets is for `given: novo` alone"
        refuse(told_of(wildcards, "decoder"), found, "Set both, or none of them")
    return []


def taught(wildcards):
    """Return no file, or refuse settings by which identifiers cannot be learned."""
    own = VARIANTS[wildcards.variant]
    if (kind := own["given"]) not in own:
        found = f"{kind}, and no `{kind}` says how"
        refuse(told_of(wildcards, "given"), found, "Give its settings")
    return progressive(wildcards) if kind == "genret" else []


def progressive(wildcards):
    """Return no file, or refuse settings of GenRet that do not fit."""
    own = VARIANTS[wildcards.variant]
    if own["length"] < 2:
        found = f"{own['length']} leaves none to learn: the last position numbers documents"
        refuse(told_of(wildcards, "length"), found, "Set 2 at least")
    settings, P = own["genret"], own["length"] - 1
    if settings["steps"] < 2 * P * settings["refresh"]:
        found = f"{settings['steps']} for {P} positions that change their tokens each"
        found += f" {settings['refresh']}"
        where = told_of(wildcards, "genret", "steps")
        refuse(where, found, f"Set {2 * P * settings['refresh']} at least")
    return []


def mixed(wildcards):
    """Return no file, or refuse settings of the decoder's training that do not fit each other."""
    own = dict(VARIANTS[wildcards.variant]["train_decoder"])
    try:
        known.settings("train-decoder")(**own, holdout=0.0, seed=0)
    except InputError as e:
        option, found, remedy = e.parts
        name = option.removeprefix("--").replace("-", "_")
        refuse(told_of(wildcards, "train_decoder", name), found, remedy)
    return []


def told_of(wildcards, *path):
    """Return where a setting of a variant is written."""
    return ".".join(["systems", SYSTEMS.origin(wildcards.variant, *path), *path])


def fixed_shape(wildcards):
    """Return the options of `jointir fixed-ids` that say what model and identifiers are like."""
    own = VARIANTS[wildcards.variant]
    tree = {"clusters": own["clusters"]} if "clusters" in own else {}
    return options({name: own[name] for name in SHAPE} | tree)


def each_training(pattern, only=""):
    """Return `pattern` for every variant and seed.

    only: a setting; variants that do not have it are left out.
    """
    variants = [v for v, own in VARIANTS.items() if not only or own.get(only)]
    return [path for variant in variants for path in of_variant(pattern, variant)]


def of_variant(pattern, variant):
    """Return `pattern` for one variant and each of its seeds, of the dataset that is reported."""
    own, seeds = config["asi"]["dataset"], entry(variant)["seeds"]
    return expand(str(pattern), dataset=own, variant=variant, seed=seeds)


def generator(wildcards):
    """Return the generator that the pipeline trains; none where a checkpoint takes its place."""
    return [] if config["expand"]["checkpoint"] else [rules.doc2query.output.model]


def generated_by(wildcards, input):
    """Return the option of `jointir expand` that says what writes."""
    return repeat("generator", input.generator) or repeat(
        "checkpoint", [config["expand"]["checkpoint"]]
    )


def expansion(system):
    """Return the pattern of the generated queries that a system reads, if it does."""
    return [GENERATED] if entry(system)["expansion"] == "doc2query" else []


def generated_queries():
    """Return the generated queries that some system of ASI's tables reads, if one does."""
    systems = [
        *VARIANTS,
        *(s for s in config["asi"]["baselines"] if s in SYSTEMS.of_method("bm25")),
    ]
    read = any(expansion(system) for system in systems)
    return [GENERATED.format(dataset=config["asi"]["dataset"])] if read else []


def vocabularies():
    """Return V of every training, in the order of `each_training`."""
    return [own["vocabulary"] for own in VARIANTS.values() for _ in own["seeds"]]


def of_baselines(pattern, splits=SPLITS):
    """Return `pattern` for every system that ranks documents and stands beside the generative."""
    own = config["asi"]
    return expand(str(pattern), dataset=own["dataset"], system=own["baselines"], split=splits)


def of_rescored(pattern, splits=SPLITS):
    """Return `pattern` for each of these that has a hybrid, too."""
    own, systems = config["asi"]["dataset"], baselines_by(GENERATIVE)
    return expand(str(pattern), dataset=own, system=systems, split=splits)
