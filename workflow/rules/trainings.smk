import re

# What generative.smk and asi.smk ask about the trainings of ASI.
VARIANTS = variants("asi")
TRAINED = "data/{dataset}/generative/{variant}/seed{seed}"
BASELINE = "data/{dataset}/generative/baselines/{system}/{split}.parquet"
OWN = {
    "dataset",
    "settle",
    "variants",
    "run",
    "seeds",
    "start",
    "beam",
}  # of `asi`: not options of the training


def given(variant):
    """Return whether a variant has identifiers that nothing learned."""
    return "given" in VARIANTS[variant]


def start(name):
    """Return the pattern of what the encoder that ASI starts from left under `name`."""
    return f"data/{{dataset}}/{config['asi']['start']}/{name}"


def any_of(names):
    """Return the regular expression of exactly these names; of none, one that nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


def training_options(wildcards):
    """Return the options of `jointir asi` that a variant's settings give."""
    settings = config["asi"] | VARIANTS[wildcards.variant]
    return options({k: v for k, v in settings.items() if k not in OWN})


def batched(wildcards):
    """Return no file, or refuse a batch of ASI that cannot hold what it is to encode."""
    settings = config["asi"] | VARIANTS[wildcards.variant]
    fresh, batch = settings["fresh"], settings["batch"]
    if fresh > batch // 2:
        refuse("asi.fresh", f"{fresh} of a batch of {batch}", "Choose half of it at most")
    return []


def seeds_of(variant):
    """Return the seeds that a variant is trained with: its own, where it names some."""
    return config["asi"]["variants"][variant].get("seeds", config["asi"]["seeds"])


def each_training(pattern, only=""):
    """Return `pattern` for every variant and seed.

    only: a setting; variants that do not have it are left out.
    """
    variants = [v for v, own in VARIANTS.items() if not only or own.get(only)]
    return [path for variant in variants for path in of_variant(pattern, variant)]


def of_variant(pattern, variant):
    """Return `pattern` for one variant and each of its seeds, of the dataset that is reported."""
    seeds = seeds_of(variant)
    return expand(str(pattern), dataset=config["asi"]["dataset"], variant=variant, seed=seeds)


def of_variants(pattern):
    """Return `pattern` for every variant and seed of the dataset that is reported."""
    return [path for variant in VARIANTS for path in of_variant(pattern, variant)]


def of_baselines(pattern):
    """Return `pattern` for every system that ranks documents and stands beside the generative."""
    systems = ["bm25", "brute-force"]
    return expand(str(pattern), dataset=config["asi"]["dataset"], system=systems, split="test")
