"""What a system is, and at which settings it is run.

The name of a setting is that of its folder: flat, M48, M48-seed2, efSearch64, or M48-nprobe8.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import fields

from snakemake.iocontainers import Wildcards
from snakemake.logging import logger
from workflow.plan import given
from workflow.plan.datasets import local_encoder, model_files, seq2seq_files
from workflow.scripts.reads import Lazy, remembered
from workflow.scripts.systems import Entry

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked
from jointir.methods import known
from jointir.methods.facts import Form
from jointir.search.ann import registry


@remembered
def entry(system: str) -> Entry:
    """Return the settings of a system, which note where they are read."""
    entries = given.config["systems"]
    layers = [entries[name] for name in given.systems.chains[system]]
    return Entry(layers, given.systems.known[given.systems.methods[system]])


ENTRIES = Lazy(lambda: given.systems, entry)


def widths(system: str) -> list[int]:
    """Return the M of an index: its own, or those of `sweep`."""
    return entry(system).get("M") or given.config["sweep"]["M"]


def widths_from(system: str) -> str:
    """Return the parameter that an index has its M from."""
    own = "M" in entry(system)
    return f"systems.{given.systems.origin(system, 'M')}.M" if own else "sweep.M"


def seeds_at(system: str, M: int) -> list[int]:
    """Return the seeds that an index is trained with at one M; none where it has one seed alone."""
    seeds = entry(system).get("seeds", [])
    return seeds if M in entry(system).get("every_seed", [M]) else seeds[:1]


def run_settings(system: str) -> list[str]:
    """Return the names of a system's settings, in the order of its sweep."""
    form = given.systems.facts(system).form
    if form == Form.LIBRARY:
        ((parameter, values),) = entry(system)["sweep"].items()
        return [f"{parameter}{value}" for value in values]
    if form != Form.INDEX:
        return ["flat"]
    if probes := entry(system).get("nprobe"):
        return [f"M{M}-nprobe{n}" for M in widths(system) for n in probes]
    if entry(system).get("seeds"):
        return [f"M{M}-seed{s}" for M in widths(system) for s in seeds_at(system, M)]
    return [f"M{M}" for M in widths(system)]


def ablation_settings(system: str) -> list[str]:
    """Return the names of a system's settings in figure 7.

    JPQ is trained with each seed that one of its variants has at the same M. Its own seed is
    trained anyway, and its folder is the one without a seed.
    """
    if system != "jpq":
        return run_settings(system)
    own, variants = entry("jpq")["seed"], given.config["figure7"]["systems"]
    found = []
    for M in widths("jpq"):
        others = [s for v in variants if M in widths(v) for s in seeds_at(v, M)]
        found += [f"M{M}", *(f"M{M}-seed{s}" for s in dict.fromkeys(others) if s != own)]
    return found


def installed(systems: Iterable[str]) -> list[str]:
    """Return the systems whose library is here, and say which are left out for want of one."""
    return [system for system in systems if is_installed(system)]


@remembered  # said once
def is_installed(system: str) -> bool:
    """Return whether the library of a system is here, and say so where it is not."""
    library = registry.missing(given.systems.methods[system])
    if library:
        logger.warning(
            f"{system} is left out: it needs {library}, in the extra `ann`"
            " (pip install -e '.[ann]')"
        )
    return not library


def module_of(method: str) -> str:
    """Return the name of a method's module, without the package's."""
    return f"methods.{method.replace('-', '_')}"


def settings_class(system: str) -> type[Checked]:
    """Return the `Settings` of a system's method."""
    return known.settings(given.systems.methods[system])


def search_class(system: str) -> type[Checked]:
    """Return what a system's ranker is told when it searches."""
    return known.search_settings(given.systems.methods[system])


def method_settings(system: str, *but_for: str) -> dict:
    """Return what a system's entry says of its method's settings, without some: M, where swept."""
    names = [field.name for field in fields(settings_class(system)) if field.name not in but_for]
    own = entry(system)
    return {name: own[name] for name in names if name in own}


def user_folders() -> list[str]:
    """Return the folders of the user's that are read: DVC hashes each of them as a whole."""
    config = given.config
    run = [config["datasets"][d] for d in {*given.datasets, config["asi"]["dataset"]}]
    folders = [own[key] for own in run for key in ("folder", "qrels") if key in own]
    folders += [config["expand"]["checkpoint"]] * bool(seq2seq_files())
    rankers = given.systems.of_form(Form.RANKER)
    named = [entry(s)["checkpoint"] for s in rankers if "checkpoint" in entry(s)]
    folders += [name for name in named if model_files(name)]
    return folders + [config["encoder"]["checkpoint"]] * bool(local_encoder())


def refuse(where: object, found: str, remedy: str) -> None:
    """End with one line: WorkflowError would put lines of the Snakefile around it."""
    sys.exit(str(InputError(where, found, remedy)))


def rule_name(method: str) -> str:
    """Return the name of a method's rule, or refuse one that is taken."""
    name = method.replace("-", "_")
    if given.workflow.is_rule(name):
        refuse(known.path_of(method), f"another rule is named {name!r}", "Choose another name")
    return name


def swept(option: str) -> list[str]:
    """Return no file, or refuse the M of a report that nothing is trained with.

    An input function: it is asked where the report is wanted, before anything is run.
    """
    M, trained = given.config[option]["M"], widths("jpq")
    if M not in trained:
        found = f"{M} is not in {widths_from('jpq')}"
        refuse(f"{option}.M", found, f"Choose of {trained}, or add it there")
    return []


def needed(report: str, what: str, *names: str) -> Callable[[Wildcards], list[str]]:
    """Return an input function: no file, or it refuses a report that lacks systems it draws."""

    def asked(wildcards: Wildcards) -> list[str]:
        for name in names:
            if name not in given.config[report]["systems"]:
                refuse(f"{report}.systems", f"{name!r} is not in it", f"{what} needs it: add it")
        return []

    return asked


def divided(wildcards: Wildcards) -> list[str]:
    """Return no file, or refuse an M of the synthetic ladder that does not divide a dimension."""
    M = given.config["scaling"]["M"]
    for D in given.config["scaling"]["dims"]:
        if D % M:
            refuse("scaling.M", f"{M} does not divide the dimension {D}", "Change one of the two")
    return []
