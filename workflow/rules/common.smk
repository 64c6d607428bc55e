import re
import sys
from functools import cache
from pathlib import Path

sys.path[:0] = [workflow.basedir, f"{workflow.basedir}/src"]
from jointir.basics.errors import InputError
from jointir.methods.facts import PRETRAINED, Form
from workflow.scripts.alone import lock_folder
from workflow.scripts.command import make_findable
from workflow.scripts.defaults import complete
from workflow.scripts.inputs import beir_files, contents, encoder_files, vector_files
from workflow.scripts.params import prepare
from workflow.scripts.reads import Lazy, Params, remembered
from workflow.scripts.scheduling import memory, no_rate_limit
from workflow.scripts.shell import any_of, options, repeat
from workflow.scripts.sources import sources
from workflow.scripts.systems import Entry, bits_of

make_findable(Path(workflow.basedir))
SYSTEMS = prepare(config, Path(workflow.basedir, "workflow/schemas/params.schema.yaml"))
OF_FIGURE4 = config["figure4"]["systems"]  # decides which stages there are, and no job of them
config = Params(config)  # which notes who reads what

DATASETS = config["figure4"]["datasets"]
SPLITS = ["dev", "test"]  # tuned on dev, reported on test
MEASURED = "data/{dataset}/measures/{system}/{setting}/{split}.parquet"

# Datasets that are given as vectors: they have no text and no encoder, so that what needs one is left
# out for them (vectors.smk). The others, and the pattern of their names.
VECTORS = [d for d in DATASETS if config["datasets"][d]["kind"] == "vectors"]
TEXTS = [d for d in DATASETS if d not in VECTORS]
OF_TEXT = rf"(?!(?:{'|'.join(VECTORS)})/)[a-z0-9-]+" if VECTORS else "[a-z0-9-]+"

# The file of packages of each dataset that has one: by these its queries are told apart.
PACKAGES = Lazy(
    lambda: [d for d in DATASETS if config["datasets"][d].get("groups")],
    lambda d: config["datasets"][d]["groups"],
)


def measures_of(dataset, split):
    """Return the measures of a dataset's split: the dataset's own, where it names some."""
    own = config["datasets"][dataset]
    given = own["measures"] if "measures" in own else config["measure"]["measures"]
    return given if isinstance(given, list) else given[split]


@cache
def entry(system):
    """Return the settings of a system, which note where they are read."""
    entries = config["systems"]
    layers = [entries[name] for name in SYSTEMS.chains[system]]
    return Entry(layers, SYSTEMS.known[SYSTEMS.methods[system]])


ENTRIES = Lazy(lambda: SYSTEMS, entry)


wildcard_constraints:
    dataset="[a-z0-9-]+",
    encoder=any_of([PRETRAINED, *SYSTEMS.of_form(Form.ENCODER)]),
    system="[a-z0-9+-]+",
    setting=r"flat|[A-Za-z_]+\d+(-[a-z]+\d+)?",
    M=r"\d+",
    shard=r"\d+",
    variant="[a-z0-9+-]+",
    seed=r"\d+",
    figure=r"figure\d",
    split="|".join(SPLITS),


onstart:
    lock_folder()
    no_rate_limit(workflow)


@cache  # hundreds of jobs ask for few
def source_files(*modules):
    """Return the source files that a stage runs: an edit reruns what it touches, nothing else.

    Not cli.py: it only reads options, and every new stage edits it.
    """
    return sources("src", *(f"jointir.{m}" for m in modules))


def threads_each(parts):
    """Return the threads of one of `parts` equal jobs that run at once."""
    return max(1, (workflow.cores or parts) // parts)


def each_dataset(pattern, kinds=(), among=DATASETS):
    """Return `pattern` for every dataset that is run, or for those of some kinds."""
    return [
        pattern.format(dataset=d)
        for d in among
        if not kinds or config["datasets"][d]["kind"] in kinds
    ]


def dataset(wildcards):
    return config["datasets"][wildcards.dataset]


def measure_options(dataset):
    """Return the options of `jointir measure` that tell the measures of each split."""
    dev, test = (measures_of(dataset, split) for split in SPLITS)
    told = repeat("measures", test)
    return told if dev == test else f"{told} {repeat('dev-measures', dev)}"


def validation(wildcards, *more):
    """Return the options of a training that say how it is measured on dev.

    more: settings of `validation` that the training has beside the number of queries.
    """
    own = config["validation"]
    told = {"validate_every": own["every"], "patience": own["patience"]}
    return f"{options(told)} {measured(wildcards, 'queries', *more)}"


def measured(wildcards, *names):
    """Return the options that say what of dev a training is measured on, and by what."""
    own = config["validation"]
    told = {f"dev_{name}": own[name] for name in names}
    return f"{options(told)} {repeat('dev-measures', measures_of(wildcards.dataset, 'dev'))}"


# The kinds of dataset that are downloaded: the parameter that pins the files, the stage that gets
# them and its code, and the option by which the corpus stage is told where they are.
DOWNLOADED = {
    "apidocs": {
        "pins": "requirements",
        "code": "data.download",
        "stage": "download-wheels --requirements",
        "option": "wheels",
    },
    "medquad": {
        "pins": "archives",
        "code": "data.archives",
        "stage": "download-archives --sources",
        "option": "source",
    },
}


def download(wildcards):
    """Return the entry of DOWNLOADED for a dataset."""
    return DOWNLOADED[dataset(wildcards)["kind"]]


def collection_contents(wildcards):
    """Return a hash over the user's own files that a collection is built from."""
    made = dataset(wildcards)["kind"] in DOWNLOADED  # not the user's, and may not be there yet
    return "" if made else contents(collection_source(wildcards))


def collection_source(wildcards):
    """Return the files a collection is built from: what was downloaded, the user's folder, none."""
    if dataset(wildcards)["kind"] in DOWNLOADED:
        return [f"data/{wildcards.dataset}/source"]
    return beir_files(dataset(wildcards)["folder"]) if "folder" in dataset(wildcards) else []


def local_encoder():
    """Return the files of the encoder where it is a folder of the user's.

    Those of a package are told apart by their contents alone: they are elsewhere on each machine.
    """
    name = config["encoder"]["checkpoint"]
    return [] if name.startswith("package:") else encoder_files(name)


def seq2seq_files():
    """Return the files of the seq2seq model that writes queries, where it is a folder of the user's."""
    return model_files(config["expand"]["checkpoint"])


def model_files(name):
    """Return the files of a checkpoint where it is a folder of the user's."""
    return encoder_files(name) if name and not name.startswith("package:") else []


def user_folders():
    """Return the folders of the user's that are read: DVC hashes each of them as a whole."""
    run = [config["datasets"][d] for d in {*DATASETS, config["asi"]["dataset"]}]
    folders = [own[key] for own in run for key in ("folder", "qrels") if key in own]
    folders += [config["expand"]["checkpoint"]] * bool(seq2seq_files())
    named = [entry(s)["checkpoint"] for s in SYSTEMS.of_method("splade")]
    folders += [name for name in named if model_files(name)]
    return folders + [config["encoder"]["checkpoint"]] * bool(local_encoder())


def collection_options(wildcards, input):
    """Return the options of `jointir corpus-KIND` that the dataset's params give."""
    given = dict(dataset(wildcards))
    for other in ("measures", "groups"):  # of other stages
        given.pop(other, None)
    if given["kind"] in DOWNLOADED:
        del given[download(wildcards)["pins"]]
        given[download(wildcards)["option"]] = input.source[0]
    given |= given.pop("splits", {})
    kind = given.pop("kind").replace("_", "-")
    return f"corpus-{kind} {options(given)}"


def vectors_of(wildcards):
    """Return the user's files of a dataset of vectors, by what they hold."""
    own = dataset(wildcards)
    return vector_files({k: own[k] for k in ("docs", "queries", "qrels") if k in own})


def vectors_options(wildcards):
    """Return the options of `jointir corpus-vectors` that the dataset's params give."""
    given = {k: v for k, v in dataset(wildcards).items() if k not in ("kind", "measures")}
    return options(given | given.pop("splits", {}))
