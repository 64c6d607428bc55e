"""Names of measures: which ones can be computed here, and what a report calls them."""

import re

from jointir.basics.errors import InputError

# computed by what ir-measures always installs, so that they need no trial: to import ir-measures
# takes a quarter of a second, and the workflow checks its params whenever it is read
PLAIN = re.compile(r"(RR|R|P|AP|nDCG|Judged|Success)@[1-9]\d{0,5}")
CUTOFF = re.compile(r"@([0-9]+)$")  # of a canonical name
AVERAGED = re.compile(r"^(RR|AP)(?=[(@]|$)")
MOST = 1_000_000  # of a rank or a grade: pytrec-eval ends the process where a number overflows
KNOWN = "Use names such as RR@10, R@100, nDCG@10, RR(rel=2)@10, AP (see ir-measur.es)"
# two queries that every measure has a value for
JUDGED = {"1": {"a": 2, "b": 0}, "2": {"a": 1, "c": 0}}
RANKED = {"1": {"b": 2.0, "a": 1.0}, "2": {"a": 2.0, "b": 1.0, "c": 0.0}}


def reported(measure: str) -> str:
    """Return the name of a measure's mean over queries: MRR@10 for RR@10, MAP for AP."""
    return AVERAGED.sub(r"M\1", measure, count=1)


def canonical(name: str, where: str = "measures") -> str:
    """Return ir-measures' own name of a measure, the same for all spellings.

    Raises:
        InputError: ir-measures does not know it, or cannot compute it here.
    """
    return name if PLAIN.fullmatch(name) else str(parse(name, where))


def canonicals(names: list[str], where: str = "measures") -> list[str]:
    """Return the `canonical` name of each.

    where: the parameter that they are from.

    Raises:
        InputError: there is none, one is unknown or cannot be computed here, or two are the same.
    """
    if not names:
        raise InputError(where, "no measure", KNOWN)
    found: dict[str, str] = {}
    for name in names:
        own = canonical(name, where)
        if own in found:
            same = f"{name!r} is the same measure as {found[own]!r}"
            raise InputError(where, same, "Name each measure once")
        found[own] = name
    return list(found)


def check_depth(names: list[str], k: int, where: str = "measures") -> None:
    """Refuse a measure that looks further down a ranking than a run goes.

    names: canonical. k: documents a query of a run. A measure without a cutoff is of these k
    documents, as in trec_eval.

    Raises:
        InputError: a cutoff is above k.
    """
    for name in names:
        cutoff = CUTOFF.search(name)
        if cutoff and int(cutoff[1]) > k:
            found = f"{name} looks at {cutoff[1]} documents a query, and retrieve.k is {k}"
            remedy = f"Set retrieve.k to {cutoff[1]} or more, or choose a cutoff of at most {k}"
            raise InputError(where, found, remedy)


def parse(name: str, where: str = "measures"):
    """Return ir-measures' value for a name such as "RR(rel=2)@10", its parameters in one order.

    Raises:
        InputError: ir-measures does not know it, or cannot compute it here.
    """
    import ir_measures

    try:
        given = ir_measures.parse_measure(name)
        measure = type(given)(**_in_order(given))
        supported = ir_measures.DefaultPipeline.supports(measure)
    except (NameError, ValueError, TypeError, AssertionError, RecursionError, MemoryError) as e:
        raise InputError(where, f"unknown measure {name[:80]!r} ({e})", KNOWN) from e
    if not supported:
        remedy = "Install the ir-measures provider that computes it, or drop it"
        raise InputError(where, f"measure {name!r} cannot be computed here", remedy)
    _check_numbers(name, measure.params, where)
    _try(name, measure, where)
    return measure


def _in_order(measure) -> dict:
    """Return a measure's parameters sorted by name, without those that change nothing."""
    kept = {}
    for key, value in sorted(measure.params.items()):
        if isinstance(value, dict):  # gains of grades
            value = {grade: gain for grade, gain in sorted(value.items()) if grade != gain}
        default = measure.SUPPORTED_PARAMS[key].default if key in measure.SUPPORTED_PARAMS else None
        if value != {} and (key == measure.AT_PARAM or value != default):
            kept[key] = value
    return kept


def _check_numbers(name: str, params: dict, where: str) -> None:
    """Refuse numbers that make no sense: at some of them, a provider ends the process."""
    bounds = {"cutoff": (1, MOST), "rel": (1, MOST), "recall": (0, 1), "p": (0, 1)}
    for key, value in params.items():
        low, high = bounds.get(key, (0, float("inf")))
        if isinstance(value, int | float) and not low <= value <= high:
            remedy = f"Give a number from {low} to {high}"
            raise InputError(where, f"measure {name[:80]!r} has {key}={value}", remedy)


def _try(name: str, measure, where: str) -> None:
    import ir_measures

    try:
        values = [float(m.value) for m in ir_measures.iter_calc([measure], JUDGED, RANKED)]
    except Exception as e:  # what each provider raises for what it cannot do is its own
        remedy = "Install what ir-measures needs for it, correct its parameters, or drop it"
        found = f"measure {name[:80]!r} cannot be computed here ({type(e).__name__}: {e})"
        raise InputError(where, found, remedy) from e
    if len(values) != len(JUDGED):
        found = f"measure {name[:80]!r} has no value for each query"
        raise InputError(where, found, "Drop it")
