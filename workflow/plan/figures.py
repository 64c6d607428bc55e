"""The systems of each figure, with their settings, and what is refused of them at the start."""

import re
from collections.abc import Iterable, Mapping

from snakemake.io import ancient
from snakemake.iocontainers import Wildcards
from snakemake.logging import logger
from workflow.plan import given
from workflow.plan.settings import (
    ablation_settings,
    entry,
    installed,
    method_settings,
    refuse,
    run_settings,
    widths_from,
)
from workflow.plan.trained import as_jpq, own_settings, untuned
from workflow.scripts.reads import Lazy, remembered

from jointir.basics.errors import InputError
from jointir.encode.source import dimension, folder_of
from jointir.methods.facts import Form
from jointir.search.fits import check_width


def with_starts(systems: Iterable[str]) -> list[str]:
    """Return some systems, and after them what trained indexes among them start from.

    A trained index is compared with its start in the tables.
    """
    starts = [entry(s)["start"] for s in systems if s in given.joint]
    return list(dict.fromkeys([*systems, *starts]))


def is_timed(system: str) -> bool:
    """Return whether a system is a way to search of its own.

    Brute force with another encoder than STAR's is none, nor is a training with another seed. Codes
    of 4 bits are laid out for FastScan by the training that starts from them: where it starts, the
    file is laid out for training.
    """
    facts = given.systems.facts(system)
    if facts.form == Form.EXACT:
        return entry(system)["start"] == "star"
    start_of_4_bits = facts.bits and not facts.trains and entry(system).get("bits") == 4
    return facts.form in (Form.INDEX, Form.LIBRARY) and not (
        start_of_4_bits or "seeds" in entry(system)
    )


@remembered
def needs_text(system: str) -> bool:
    """Return whether a dataset of vectors cannot have a system.

    Its JPQ is trained with the settings of `distill`: it has none whose settings differ from those
    of `jpq`, and no other training.
    """
    facts, start = given.systems.facts(system), entry(system).get("start")
    if facts.form == Form.EXACT:
        return start != "star"
    if system in given.joint:
        return given.systems.methods[system] != "jpq" or bool(
            own_settings(system) or untuned(system)
        )
    return facts.needs_text or (start in given.joint and needs_text(start))


# The systems of each figure, with the names of their settings.
ABLATION = Lazy(
    lambda: dict.fromkeys(["jpq", *given.config["figure7"]["systems"], "opq", "brute-force"]),
    ablation_settings,
)
FIGURE1 = Lazy(lambda: installed(given.config["figure1"]["systems"]), run_settings)
FIGURE4 = Lazy(
    lambda: dict.fromkeys(
        [*with_starts(installed(given.config["figure4"]["systems"])), "brute-force"]
    ),
    run_settings,
)
FIGURE5 = Lazy(
    lambda: [
        *(s for s in FIGURE4 if is_timed(s)),
        *(s for s in installed(given.config["figure5"]["systems"]) if s not in FIGURE4),
    ],
    run_settings,
)
# whose systems are checked, at the start
CHECKED = {"figure1": FIGURE1, "figure4": FIGURE4, "figure5": FIGURE5, "figure7": ABLATION}


def say_left_out() -> None:
    """Say what datasets of vectors cannot have."""
    if given.vectors and given.workflow.is_main_process:
        left_out = ", ".join(s for s in FIGURE4 if needs_text(s))
        logger.warning(
            f"{', '.join(given.vectors)}: given as vectors, so {left_out} and all figures but 4 are"
            " left out: they need text and an encoder"
        )


def of_texts(wildcards: Wildcards) -> list[str]:
    """Return no file, or refuse a report that a dataset of vectors has no part in."""
    if not given.texts:
        refuse("figure4.datasets", "all are vectors", "Name one with text: this needs an encoder")
    return []


def each_system(
    pattern: str,
    systems: Mapping[str, list[str]] = FIGURE4,
    among: list[str] | None = None,
) -> list[str]:
    """Return `pattern` for every dataset, and every system and setting of `systems`, in one order.

    Its wildcard {M} is the number in {setting}; {split} stays. Datasets of vectors have figure 4
    alone. among: datasets, in place of all that are run.
    """
    others = any(systems is own for own in (ABLATION, FIGURE1, FIGURE5))
    run = given.datasets if among is None else among
    return [
        str(pattern).format(dataset=d, system=s, setting=setting, M=setting[1:], split="{split}")
        for d in (given.texts if others else run)
        for s, settings in systems.items()
        if d in given.texts or not needs_text(s)
        for setting in settings
    ]


@remembered
def curves() -> dict[str, str]:
    """Return {training.csv: "dataset system setting"} of every training of figure 4."""
    found = {}
    for d in given.datasets:
        if d in given.texts:
            found[f"data/{d}/star/training.csv"] = f"{d} star"
        for folder, name, systems in (
            ("{dataset}/{system}", "{dataset} {system}", given.systems.of_form(Form.ENCODER)),
            ("{dataset}/systems/{system}/{setting}", "{dataset} {system} M={M}", given.joint),
        ):
            files = each_system(f"data/{folder}/training.csv", only(systems), [d])
            found |= zip(files, each_system(name, only(systems), [d]), strict=True)
    return found


def of_jpq() -> list[str]:
    """Return the systems of figure 4 that are trained as JPQ is: it is told whether they pay."""
    return [s for s in FIGURE4 if as_jpq(s)]


@remembered
def trained_from() -> dict[str, str]:
    """Return {system: other} of figure 4: what a training began with, and is compared with.

    Brute force with an encoder is compared with brute force over the documents that it began with.
    """
    form = {s: given.systems.facts(s).form for s in FIGURE4}
    exact = {entry(s)["start"]: s for s in FIGURE4 if form[s] == Form.EXACT}
    found = {s: entry(s)["start"] for s in FIGURE4 if s in given.joint}
    for system in FIGURE4:
        if form[system] == Form.ENCODER and entry(system).get("start") in exact:
            found[system] = exact[entry(system)["start"]]
    if "star" in exact and "pretrained" in exact:
        found[exact["star"]] = exact["pretrained"]
    return found


def only(names: Iterable[str], systems: Mapping[str, list[str]] = FIGURE4) -> dict[str, list[str]]:
    """Return those of `systems` that are among `names`."""
    return {s: systems[s] for s in systems if s in names}


def all_divided(wildcards: Wildcards) -> list[str]:
    """Return no file, or refuse a system that does not fit the encoder's dimension.

    Before anything is run, where the dimension is known: that of a model of the hub is not.
    """
    D = dimension(folder_of(given.config["encoder"]["checkpoint"]))
    for told in all_settings(wildcards.figure) if D else []:
        name, *settings = told.split()
        system, _, method = name.partition(":")
        M = dict(setting.split("=") for setting in settings).get("M")
        if M and given.systems.facts(system).form == Form.INDEX:
            try:
                check_width(method or system, int(M), D)
            except InputError as e:
                _, found, remedy = e.parts
                refuse(f"{system}, {widths_from(system)}", found, remedy)
    return []


def checked_before(wildcards: Wildcards) -> list[str]:
    """Return the check that STAR waits for: that the data are enough for the systems of figure 4.

    It is the first training. Other systems, or a check anew, are no reason to train it again.
    """
    first = wildcards.encoder == "star" and wildcards.dataset in given.texts
    return [ancient(f"data/{wildcards.dataset}/fits/figure4.json")] if first else []


def all_settings(figure: str, of_vectors: bool = False) -> list[str]:
    """Return "NAME:METHOD setting=value ..." of every index of a figure: what it is built with.

    The method is left out where it is the name. Of systems that are built alike the first is told.
    """
    found = {}
    for system, its_settings in CHECKED[figure].items():
        if of_vectors and needs_text(system):
            continue
        for setting in its_settings:
            method, own = given.systems.methods[system], built_with(system, setting)
            if given.systems.facts(system).form in (Form.INDEX, Form.LIBRARY):
                name = system if system == method else f"{system}:{method}"
                found.setdefault((method, *own), " ".join([name, *own]))
    return list(found.values())  # settings may differ in how they are searched alone


def built_with(system: str, setting: str) -> list[str]:
    """Return "setting=value" of all that decides whether an index can be built."""
    M = re.match(r"M(\d+)", setting)
    if given.systems.facts(system).form == Form.LIBRARY:
        own = method_settings(system, "seed")
    else:  # what is trained or put in lists has the codes of its start
        own = {k: entry(system)[k] for k in ("sample", "bits", "nlist") if k in entry(system)}
        built = system
        while built not in given.built and given.systems.facts(built).form == Form.INDEX:
            built = entry(built)["start"]
            own |= {k: entry(built)[k] for k in ("sample", "bits") if k in entry(built)}
    own = {**own, "M": M[1]} if M else own
    return [f"{name}={value}" for name, value in sorted(own.items())]
