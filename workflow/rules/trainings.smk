# What generative.smk and asi.smk ask about the trainings of ASI.
VARIANTS = Lazy(lambda: config["asi"]["systems"], entry)
TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
BASELINE = "data/{dataset}/generative/baselines/{system}/{split}.parquet"
RANKED = "data/{dataset}/runs/{system}/flat/meta.json"
SHAPE = ("length", "vocabulary", "decoder", "layers", "width", "prototypes")  # of a model
# of an entry: not options of the training
OWN = {"train_decoder", "seeds", "start", "beam", "hybrid_beam", "given"}


def given(variant):
    """Return whether a variant has identifiers that nothing learned."""
    return "given" in VARIANTS[variant]


def start(variant, name):
    """Return the pattern of what the encoder that a variant starts from left under `name`."""
    return f"data/{{dataset}}/{VARIANTS[variant]['start']}/{name}"


def own_docs(wildcards):
    """Return the file of the documents' embeddings by a variant's own encoder."""
    own = start(wildcards.variant, "docs.npy")
    return own if given(wildcards.variant) else f"{TRAINED}/docs.npy"


def dense_encoders():
    """Return {system: folder} of the encoder of each baseline that has one."""
    own, forms = config["asi"]["dataset"], (Form.ENCODER, Form.EXACT)
    dense = [s for s in config["asi"]["baselines"] if SYSTEMS.facts(s).form in forms]
    return {s: f"{of_encoder(s, own)}/model" for s in dense}


def trained_on_all():
    """Return the variants whose training saw every document: the others are of table 3 alone."""
    return [v for v, own in VARIANTS.items() if not own["holdout"]]


def shown_systems(wildcards):
    """Return the options of table 1 and figure 1: the generative systems, and what compares words."""
    facts = {s: SYSTEMS.facts(s) for s in config["asi"]["baselines"]}
    sparse = [s for s, own in facts.items() if own.form == Form.RANKER and not own.trains]
    return f"{repeat('system', trained_on_all())} {repeat('sparse', sparse)}"


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


def alike(wildcards):
    """Return no file, or refuse identifiers of several vocabularies: one table counts them all."""
    found = sorted({own["vocabulary"] for own in VARIANTS.values()})
    if len(found) > 1:
        refuse("asi.systems", f"they have vocabularies of {found}", "Name those of one vocabulary")
    return []


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


def of_variants(pattern):
    """Return `pattern` for every variant and seed of the dataset that is reported."""
    return [path for variant in VARIANTS for path in of_variant(pattern, variant)]


def vocabularies():
    """Return V of every training, in the order of `of_variants`."""
    return [own["vocabulary"] for own in VARIANTS.values() for _ in own["seeds"]]


def of_baselines(pattern, splits=SPLITS):
    """Return `pattern` for every system that ranks documents and stands beside the generative."""
    own = config["asi"]
    return expand(str(pattern), dataset=own["dataset"], system=own["baselines"], split=splits)
