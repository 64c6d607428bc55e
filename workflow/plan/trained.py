"""What the stages that train are told, of indexes and of encoders, and what they start from."""

import re
from collections.abc import Callable, Iterable

from snakemake.io import expand
from snakemake.iocontainers import ResourceList, Wildcards
from workflow.plan import given
from workflow.plan.datasets import validation
from workflow.plan.settings import entry, seeds_at, settings_class, widths
from workflow.scripts.shell import options, repeat

from jointir.methods import known
from jointir.methods.facts import PRETRAINED

TUNE = ("steps", "warmup", "least", "seed")  # of `tune`, in place of what `jpq` has
# of an entry: told in another way
NO_OPTION = ("start", "teacher", "M", "seeds", "every_seed", "search")
# the embeddings by STAR that a training of query encoder and index may read, by its option
EMBEDDED = {"docs": "docs.npy", "teacher": "train.npy"}


def launch(wildcards: Wildcards, resources: ResourceList) -> str:
    """Return what starts a process for each GPU of a training that several may share."""
    if resources.gpu < 2:
        return ""
    return (
        f"accelerate launch --multi_gpu --main_process_port 0 --num_processes {resources.gpu} -m "
    )


def folder_of_start(system: str, M: int) -> str:
    """Return the folder of the index that a system starts from, below systems/."""
    start = entry(system)["start"]
    seeds = seeds_at(start, M)
    return f"{start}/M{M}-seed{seeds[0]}" if seeds else f"{start}/M{M}"


def start_of(wildcards: Wildcards) -> str:
    """Return the index that another one starts from."""
    folder = folder_of_start(wildcards.system, int(re.match(r"M(\d+)", wildcards.setting)[1]))
    return f"data/{wildcards.dataset}/systems/{folder}/index.faiss"


def training_of(system: str) -> dict:
    """Return the settings of a training that are options of its stage."""
    return {k: v for k, v in entry(system).items() if k not in NO_OPTION}


def tune_options() -> str:
    """Return the options of `jointir tune` that are a training's.

    Without JPQ's `checkpoint_minutes`: it changes no choice, and would have it made again.
    """
    shared = {k: v for k, v in training_of("jpq").items() if k != "checkpoint_minutes"}
    return options(shared | {k: given.config["tune"][k] for k in TUNE})


def tuned_at(wildcards: Wildcards) -> str:
    """Return the index that `tune` trains from: the start of JPQ in the middle of its sweep."""
    start = entry("jpq")["start"]
    return f"data/{wildcards.dataset}/systems/{start}/M{middle()}/index.faiss"


def middle() -> int:
    """Return the M of JPQ in the middle of its sweep, the lower of two."""
    Ms = sorted(widths("jpq"))
    return Ms[(len(Ms) - 1) // 2]


def candidates() -> list[str]:
    """Return the settings that `tune` tries, as its options have them; the first are JPQ's own."""
    tried = given.config["tune"]["candidates"].values()
    return ["", *(" ".join(f"{k}={v}" for k, v in sorted(own.items())) for own in tried)]


def as_jpq(system: str) -> bool:
    """Return whether a system is trained as JPQ is: its method has JPQ's settings, or more."""
    return system in given.joint and issubclass(settings_class(system), known.settings("jpq"))


def untuned(system: str) -> bool:
    """Return whether `tune` changes nothing of a system: not like `jpq`, or no kind of JPQ."""
    return "jpq" not in given.systems.chains[system] or not as_jpq(system)


def own_settings(system: str) -> list[str]:
    """Return the settings in which a system differs from `jpq`, which `tune` does not change."""
    chain = given.systems.chains[system]
    differing = () if untuned(system) else chain[: chain.index("jpq")]
    named = {key for name in differing for key in given.config["systems"][name]}
    return sorted(named & set(training_of(system)))


def tuned(wildcards: Wildcards) -> list[str]:
    """Return the file of settings chosen on dev, where they are."""
    wanted = given.config["tune"]["run"] and not untuned(wildcards.system)
    return [f"data/{wildcards.dataset}/tune/jpq.json"] if wanted else []


def embedded(wildcards: Wildcards, option: str) -> list[str]:
    """Return a matrix of STAR's where a training may read it: to hash it, too, takes time."""
    wanted = is_read(wildcards.system, option, tuned(wildcards))
    return [f"data/{wildcards.dataset}/star/{EMBEDDED[option]}"] if wanted else []


def is_read(system: str, option: str, chosen: Iterable[str] = ()) -> bool:
    """Return whether a training reads an optional file, as `reads` of its method says.

    That is always, or where one of some conditions holds, or may hold: `tune` has `chosen`.
    """
    conditions = given.systems.facts(system).reads.get(option)
    if conditions is None:
        return False
    return not conditions or bool(chosen) or any(holds(one, system) for one in conditions)


def holds(condition: str, system: str) -> bool:
    """Return whether a setting is on, or has the value that the condition names after an =."""
    name, _, wanted = condition.partition("=")
    value = entry(system).get(name, getattr(settings_class(system), name, None))
    return value == wanted if wanted else bool(value)


def seed_named(wildcards: Wildcards) -> int | None:
    """Return the seed that the name of a setting ends with, None where it names none."""
    named = re.search(r"-seed(\d+)$", wildcards.setting)
    return int(named[1]) if named else None


def joint_options(wildcards: Wildcards) -> str:
    """Return the options that a system's training has, with the seed where its folder names one.

    What the system itself says, `tune` does not change.
    """
    seed = seed_named(wildcards)
    told = options(training_of(wildcards.system) | ({} if seed is None else {"seed": seed}))
    return f"{told} {repeat('own', own_settings(wildcards.system))}".strip()


def start_of_encoder(wildcards: Wildcards) -> str:
    """Return the encoder that another one is trained from."""
    named = "start" in given.systems.facts(wildcards.encoder).references
    return entry(wildcards.encoder)["start"] if named else PRETRAINED


def read_by_encoder(wildcards: Wildcards, option: str) -> list[str]:
    """Return an optional file of a training of an encoder, where it reads it."""
    if not is_read(wildcards.encoder, option):
        return []
    if option == "teacher":
        return [f"data/{wildcards.dataset}/{entry(wildcards.encoder)['teacher']}/model"]
    return [f"data/{wildcards.dataset}/{start_of_encoder(wildcards)}/docs.npy"]


def encoder_options(wildcards: Wildcards) -> str:
    """Return the options of a training of an encoder: its settings, and how it embeds."""
    own, kind = training_of(wildcards.encoder), settings_class(wildcards.encoder)
    if hasattr(kind, "batch_tokens"):
        own |= {"batch_tokens": given.config["embed"]["batch_tokens"]}
    return options(own)


def encoder_validation(wildcards: Wildcards) -> str:
    """Return the options of how it is measured: what embeds documents ranks a sample of them."""
    sampled = given.systems.facts(wildcards.encoder).own_documents
    return validation(wildcards, *["documents"] * sampled)


def all_shards(pattern: str) -> list[str]:
    """Return the pattern of each shard of a matrix of documents."""
    shards = range(given.config["embed"]["shards"])
    return expand(pattern, shard=shards, allow_missing=True)


def embedding(splits: Iterable[str] = ()) -> Callable[[Wildcards], str]:
    """Return a function that returns the options of how texts are embedded: queries of `splits`."""

    def asked(wildcards: Wildcards) -> str:
        own = {k: v for k, v in given.config["embed"].items() if k != "shards"}
        return f"{options(own)} {repeat('split', splits)}"

    return asked
