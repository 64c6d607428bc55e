# What expand.smk, generative.smk and asi.smk ask about the trainings of ASI and of its generated queries.
VARIANTS = Lazy(lambda: config["asi"]["systems"], entry)
TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
BASELINE = "data/{dataset}/generative/baselines/{system}/{split}.parquet"
GENERATED = "data/{dataset}/expand/queries.parquet"  # written for documents
SHAPE = ("length", "vocabulary", "decoder", "layers", "width", "prototypes")  # of a model
# of an entry: not options of the training
OWN = {"train_decoder", "seeds", "start", "beam", "hybrid_beam", "given", "expansion"}


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


def dense_encoder(wildcards):
    """Return the folder of the encoder that brute force searches with, beside the generative."""
    return f"data/{config['asi']['dataset']}/{entry('brute-force')['start']}/model"


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


def of_baselines(pattern):
    """Return `pattern` for every system that ranks documents and stands beside the generative."""
    own = config["asi"]
    return expand(str(pattern), dataset=own["dataset"], system=own["baselines"], split="test")
