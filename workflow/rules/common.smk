import sys

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)
from workflow.scripts.sources import sources

DATASETS = config["figure4"]["datasets"]
SPLITS = ["dev", "test"]  # tuned on dev, reported on test

ASI_DATASET = config["asi"]["dataset"]

for _option, _names in (("figure4.datasets", DATASETS), ("asi.dataset", [ASI_DATASET])):
    for _name in _names:
        if _name not in config["datasets"]:
            _known = sorted(config["datasets"])
            raise WorkflowError(
                f"{_option}: {_name!r} is not under `datasets`: describe it there, or choose of {_known}"
            )


wildcard_constraints:
    dataset="[a-z0-9-]+",
    encoder="pretrained|star",
    system="[a-z0-9-]+",
    size=r"flat|M\d+",
    M=r"\d+",
    shard=r"\d+",
    variant="[a-z0-9+-]+",
    seed=r"\d+",
    split="|".join(SPLITS),


def code(*modules):
    """Return the source files that a stage runs: an edit reruns what it touches, nothing else.

    Not cli.py: it only reads options, and every new stage edits it.
    """
    return sources("src", *(f"jointir.{m}" for m in modules))


def share(parts):
    """Return the threads of one of `parts` equal jobs that run at once."""
    return max(1, (workflow.cores or parts) // parts)


def sizes(system):
    """Return the names of a system's settings in the sweep."""
    own = config.get(system, {})
    return [f"M{M}" for M in own.get("M", config["sweep"]["M"])]


# every system of figure 4, with the settings of its sweep
SYSTEMS = {s: sizes(s) for s in ["jpq", "opq", "pq", "itq-lsh", "lsh"]}
SYSTEMS |= {"brute-force": ["flat"], "brute-force-pretrained": ["flat"]}


def each_dataset(pattern, kinds=()):
    """Return `pattern` for every dataset that is run, or for those of some kinds."""
    return [
        pattern.format(dataset=d)
        for d in DATASETS
        if not kinds or config["datasets"][d]["kind"] in kinds
    ]


def each_system(pattern, systems=()):
    """Return `pattern` for every dataset, system and size, in one fixed order.

    Its wildcard {M} is the number in {size}; {split} stays.
    """
    return [
        str(pattern).format(dataset=d, system=s, size=size, M=size[1:], split="{split}")
        for d in DATASETS
        for s, sizes in SYSTEMS.items()
        for size in sizes
        if not systems or s in systems
    ]


def dataset(wildcards):
    return config["datasets"][wildcards.dataset]


def collection_source(wildcards):
    """Return the files a collection is built from: downloaded wheels, the user's folder, none."""
    kind = dataset(wildcards)["kind"]
    return {
        "apidocs": [f"data/{wildcards.dataset}/source"],
        "beir": [dataset(wildcards).get("folder", "")],
        "ir_datasets": [],
    }[kind]


def collection_options(wildcards, input):
    """Return the options of `jointir corpus-KIND` that the dataset's params give."""
    given = dict(dataset(wildcards))
    given.pop("requirements", None)
    given["kind"] = given["kind"].replace("_", "-")
    given |= given.pop("splits", {})
    if given["kind"] == "apidocs":
        given["wheels"] = input.source[0]
    kind = given.pop("kind")
    options = " ".join(f"--{k.replace('_', '-')} '{v}'" for k, v in given.items())
    return f"corpus-{kind} {options}"


def index_of(wildcards):
    """Return where a system's index is, and the queries embedded for it."""
    base = f"data/{wildcards.dataset}"
    if wildcards.system.startswith("brute-force"):
        encoder = "pretrained" if wildcards.system.endswith("pretrained") else "star"
        return f"{base}/{encoder}/flat.faiss", f"{base}/{encoder}/queries.npy"
    own = f"{base}/systems/{wildcards.system}/{wildcards.size}"
    shared = f"{base}/star/queries.npy"
    return f"{own}/index.faiss", f"{own}/queries.npy" if wildcards.system == "jpq" else shared


def setting(wildcards):
    """Return what the results table calls a size: M=48, or bits=384, or nothing."""
    if wildcards.size == "flat":
        return ""
    M = int(wildcards.size[1:])
    return f"bits={8 * M}" if wildcards.system.endswith("lsh") else f"M={M}"
