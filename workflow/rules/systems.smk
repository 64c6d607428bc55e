from dataclasses import fields

from jointir.methods import known
from jointir.search.ann.registry import missing

# What a system is, and at which settings it is run. The name of a setting is that of its folder: flat,
# M48, M48-seed2, efSearch64, or M48-nprobe8.

BUILT = [s for s in SYSTEMS.of_form(Form.INDEX) if SYSTEMS.methods[s] in known.fitted()]
JOINT = [s for s in SYSTEMS.of_form(Form.INDEX) if SYSTEMS.facts(s).trains]
SEARCHED = SYSTEMS.of_form(Form.ENCODER, Form.EXACT, Form.INDEX, Form.LIBRARY)


def widths(system):
    """Return the M of an index: its own, or those of `sweep`."""
    return entry(system).get("M") or config["sweep"]["M"]


def widths_from(system):
    """Return the parameter that an index has its M from."""
    return f"systems.{SYSTEMS.origin(system, 'M')}.M" if "M" in entry(system) else "sweep.M"


def seeds_at(system, M):
    """Return the seeds that an index is trained with at one M; none where it has one seed alone."""
    seeds = entry(system).get("seeds", [])
    return seeds if M in entry(system).get("every_seed", [M]) else seeds[:1]


def run_settings(system):
    """Return the names of a system's settings, in the order of its sweep."""
    form = SYSTEMS.facts(system).form
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


def ablation_settings(system):
    """Return the names of a system's settings in figure 7.

    JPQ is trained with each seed that one of its variants has at the same M. Its own seed is trained
    anyway, and its folder is the one without a seed.
    """
    if system != "jpq":
        return run_settings(system)
    own, variants = entry("jpq")["seed"], config["figure7"]["systems"]
    found = []
    for M in widths("jpq"):
        others = [s for v in variants if M in widths(v) for s in seeds_at(v, M)]
        found += [f"M{M}", *(f"M{M}-seed{s}" for s in dict.fromkeys(others) if s != own)]
    return found


def installed(systems):
    """Return the systems whose library is here, and say which are left out for want of one."""
    return [system for system in systems if is_installed(system)]


@cache  # said once
def is_installed(system):
    """Return whether the library of a system is here, and say so where it is not."""
    library = missing(SYSTEMS.methods[system])
    if library:
        logger.warning(
            f"{system} is left out: it needs {library}, in the extra `ann`"
            " (pip install -e '.[ann]')"
        )
    return not library


def module_of(method):
    """Return the name of a method's module, without the package's."""
    return f"methods.{method.replace('-', '_')}"


def settings_class(system):
    """Return the `Settings` of a system's method."""
    return known.settings(SYSTEMS.methods[system])


def fit_settings(system):
    """Return the settings that an index is fitted with, without M, which is swept."""
    names = [field.name for field in fields(settings_class(system))]
    own = entry(system)
    return {name: own[name] for name in names if name != "M" and name in own}


def refuse(where, found, remedy):
    """End with one line: WorkflowError would put lines of the Snakefile around it."""
    sys.exit(str(InputError(where, found, remedy)))


def swept(option):
    """Return no file, or refuse the M of a report that nothing is trained with.

    An input function: it is asked where the report is wanted, before anything is run.
    """
    M, trained = config[option]["M"], widths("jpq")
    if M not in trained:
        found = f"{M} is not in {widths_from('jpq')}"
        refuse(f"{option}.M", found, f"Choose of {trained}, or add it there")
    return []


def needed(report, what, *names):
    """Return an input function: no file, or it refuses a report that lacks systems it draws."""

    def asked(wildcards):
        for name in names:
            if name not in config[report]["systems"]:
                refuse(f"{report}.systems", f"{name!r} is not in it", f"{what} needs it: add it")
        return []

    return asked


def divided(wildcards):
    """Return no file, or refuse an M of the synthetic ladder that does not divide a dimension."""
    M = config["scale"]["M"]
    for D in config["scale"]["dims"]:
        if D % M:
            refuse("scale.M", f"{M} does not divide the dimension {D}", "Change one of the two")
    return []
