from jointir.methods.facts import GENERATIVE, SPARSE
from workflow.scripts.variants import LEARNED, batched, mixed, shaped, taught

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
OWN |= {*LEARNED}  # whose settings have the name of their stage


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


def fitting(check):
    """Return an input function: no file, or it refuses settings of a variant that do not fit."""

    def asked(wildcards):
        try:
            check(VARIANTS[wildcards.variant])
        except InputError as e:
            where, found, remedy = e.parts
            path = where.split(".")
            origin = SYSTEMS.origin(wildcards.variant, *path)
            refuse(".".join(["systems", origin, *path]), found, remedy)
        return []

    return asked


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
