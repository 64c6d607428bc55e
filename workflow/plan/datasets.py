"""Datasets: where their files come from, what is measured, and what their stages are told."""

from collections.abc import Iterable
from functools import cache

from snakemake.iocontainers import Wildcards
from workflow.plan import given
from workflow.scripts.inputs import beir_files, contents, encoder_files, vector_files
from workflow.scripts.reads import Lazy
from workflow.scripts.shell import options, repeat
from workflow.scripts.sources import sources

# The file of packages of each dataset that has one: by these its queries are told apart.
PACKAGES = Lazy(
    lambda: [d for d in given.datasets if given.config["datasets"][d].get("groups")],
    lambda d: given.config["datasets"][d]["groups"],
)

# The kinds of dataset that are downloaded: the parameter that pins the files, the stage that gets
# them with the option that takes it and its code, and the option by which the corpus stage is told
# where they are.
DOWNLOADED = {
    "apidocs": {
        "pins": "requirements",
        "code": "data.download",
        "stage": "download-wheels",
        "takes": "requirements",
        "option": "wheels",
    },
    "medquad": {
        "pins": "archives",
        "code": "data.archives",
        "stage": "download-archives",
        "takes": "sources",
        "option": "source",
    },
}

GENERATED = "data/{dataset}/expand/queries.parquet"  # written for documents

# The module that reads a dataset of each kind with text.
CORPUS = {
    "apidocs": "data.apidocs",
    "medquad": "data.medquad",
    "beir": "data.beir",
    "ir_datasets": "data.irds",
}


def dataset(wildcards: Wildcards) -> dict:
    """Return the params of a dataset."""
    return given.config["datasets"][wildcards.dataset]


def measures_of(name: str, split: str) -> list[str]:
    """Return the measures of a dataset's split: the dataset's own, where it names some."""
    own = given.config["datasets"][name]
    told = own["measures"] if "measures" in own else given.config["measure"]["measures"]
    return told if isinstance(told, list) else told[split]


@cache  # hundreds of jobs ask for few
def source_files(*modules: str) -> list[str]:
    """Return the source files that a stage runs: an edit reruns what it touches, nothing else.

    Not cli.py: it only reads options, and every new stage edits it.
    """
    return sources("src", *(f"jointir.{m}" for m in modules))


def threads_each(parts: int) -> int:
    """Return the threads of one of `parts` equal jobs that run at once."""
    return max(1, (given.workflow.cores or parts) // parts)


def each_dataset(
    pattern: str, kinds: Iterable[str] = (), among: list[str] | None = None
) -> list[str]:
    """Return `pattern` for every dataset that is run, or for those of some kinds."""
    return [
        pattern.format(dataset=d)
        for d in (given.datasets if among is None else among)
        if not kinds or given.config["datasets"][d]["kind"] in kinds
    ]


def measure_options(name: str) -> str:
    """Return the options of `jointir measure` that tell the measures of each split."""
    dev, test = (measures_of(name, split) for split in given.SPLITS)
    told = repeat("measures", test)
    return told if dev == test else f"{told} {repeat('dev-measures', dev)}"


def qrels_of(name: str) -> list[str]:
    """Return the files of judgements that results are measured by, one for each split."""
    return [f"data/{name}/collection/qrels/{split}.trec" for split in given.SPLITS]


def validation(wildcards: Wildcards, *more: str) -> str:
    """Return the options of a training that say how it is measured on dev.

    more: settings of `validation` that the training has beside the number of queries.
    """
    return f"{validated_by('queries', *more)} {measured(wildcards)}"


def validated_by(*names: str) -> str:
    """Return the options of when dev is measured, and how much of it: settings of `validation`."""
    own = given.config["validation"]
    told = {"validate_every": own["every"], "patience": own["patience"]}
    return options(told | {f"dev_{name}": own[name] for name in names})


def measured(wildcards: Wildcards) -> str:
    """Return the options of what dev is measured by."""
    return repeat("dev-measures", measures_of(wildcards.dataset, "dev"))


def download(wildcards: Wildcards) -> dict[str, str]:
    """Return the entry of DOWNLOADED for a dataset."""
    return DOWNLOADED[dataset(wildcards)["kind"]]


def pins(wildcards: Wildcards) -> str:
    """Return the file that pins what is downloaded for a dataset."""
    return dataset(wildcards)[download(wildcards)["pins"]]


def download_options(wildcards: Wildcards) -> str:
    """Return the stage that gets the files of a dataset, and its option."""
    own = download(wildcards)
    return f"{own['stage']} {options({own['takes']: pins(wildcards)})}"


def collection_contents(wildcards: Wildcards) -> str:
    """Return a hash over the user's own files that a collection is built from."""
    made = dataset(wildcards)["kind"] in DOWNLOADED  # not the user's, and may not be there yet
    return "" if made else contents(collection_source(wildcards))


def collection_source(wildcards: Wildcards) -> list[str]:
    """Return the files a collection is built from: what was downloaded, the user's folder, none."""
    if dataset(wildcards)["kind"] in DOWNLOADED:
        return [f"data/{wildcards.dataset}/source"]
    return beir_files(dataset(wildcards)["folder"]) if "folder" in dataset(wildcards) else []


def local_encoder() -> list[str]:
    """Return the files of the encoder where it is a folder of the user's.

    Those of a package are told apart by their contents alone: they are elsewhere on each machine.
    """
    return model_files(given.config["encoder"]["checkpoint"])


def seq2seq_files() -> list[str]:
    """Return the files of the seq2seq model that writes queries, where it is the user's folder."""
    return model_files(given.config["expand"]["checkpoint"])


def model_files(name: str) -> list[str]:
    """Return the files of a checkpoint where it is a folder of the user's."""
    return encoder_files(name) if name and not name.startswith("package:") else []


def collection_options(wildcards: Wildcards) -> str:
    """Return the stage `corpus-KIND` and the options that the dataset's params give."""
    told = dict(dataset(wildcards))
    for other in ("measures", "groups"):  # of other stages
        told.pop(other, None)
    if told["kind"] in DOWNLOADED:
        del told[download(wildcards)["pins"]]
        (told[download(wildcards)["option"]],) = collection_source(wildcards)
    told |= told.pop("splits", {})
    kind = told.pop("kind").replace("_", "-")
    return f"corpus-{kind} {options(told)}"


def vectors_of(wildcards: Wildcards) -> dict[str, list[str]]:
    """Return the user's files of a dataset of vectors, by what they hold."""
    own = dataset(wildcards)
    return vector_files({k: own[k] for k in ("docs", "queries", "qrels") if k in own})


def vectors_options(wildcards: Wildcards) -> str:
    """Return the options of `jointir corpus-vectors` that the dataset's params give."""
    told = {k: v for k, v in dataset(wildcards).items() if k not in ("kind", "measures")}
    return options(told | told.pop("splits", {}))
