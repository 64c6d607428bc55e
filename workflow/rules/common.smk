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
    size=r"flat|[A-Za-z_]+\d+(-[a-z]+\d+)?",
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


def each_dataset(pattern, kinds=()):
    """Return `pattern` for every dataset that is run, or for those of some kinds."""
    return [
        pattern.format(dataset=d)
        for d in DATASETS
        if not kinds or config["datasets"][d]["kind"] in kinds
    ]


def dataset(wildcards):
    return config["datasets"][wildcards.dataset]


# How each kind of dataset says what is downloaded, and the stage that does it.
PINS = {
    "apidocs": {
        "key": "requirements",
        "code": "data.download",
        "stage": "download-wheels --requirements",
    },
    "medquad": {
        "key": "archives",
        "code": "data.archives",
        "stage": "download-archives --sources",
    },
}


def collection_source(wildcards):
    """Return the files a collection is built from: what was downloaded, the user's folder, none."""
    kind = dataset(wildcards)["kind"]
    return {
        "apidocs": [f"data/{wildcards.dataset}/source"],
        "medquad": [f"data/{wildcards.dataset}/source"],
        "beir": [dataset(wildcards).get("folder", "")],
        "ir_datasets": [],
    }[kind]


def collection_options(wildcards, input):
    """Return the options of `jointir corpus-KIND` that the dataset's params give."""
    given = dict(dataset(wildcards))
    for key in ("requirements", "archives", "measures"):  # of other stages
        given.pop(key, None)
    given["kind"] = given["kind"].replace("_", "-")
    given |= given.pop("splits", {})
    if given["kind"] == "apidocs":
        given["wheels"] = input.source[0]
    if given["kind"] == "medquad":
        given["source"] = input.source[0]
    kind = given.pop("kind")
    options = " ".join(f"--{k.replace('_', '-')} '{v}'" for k, v in given.items())
    return f"corpus-{kind} {options}"
