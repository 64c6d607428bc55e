"""Which settings fit which documents: asked before anything is trained, and by every builder.

It imports no library of search, so that a workflow can ask for all its systems at once.
"""

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked, described
from jointir.methods.facts import Form
from jointir.methods.known import facts, libraries, module
from jointir.quantize.shape import BITS, check_divides

LARGER = "Use a larger corpus"
# the bits that a code of each method can have, K = 2^bits
WIDE = {name: list(own.bits) for name, own in facts().items() if own.bits}
ROTATED = set(WIDE) - {"pq"}  # they are OPQ, or start from it
INDEXES = {name for name, own in facts().items() if own.form == Form.INDEX}


def check(
    system: str, settings: dict[str, float], N: int, D: int, where: object = "documents"
) -> None:
    """Raise InputError where `system` cannot be built with `settings` over N documents of D.

    system: the method. settings: of an index of a library exactly its `Settings`, seed apart; of
    the others M, sample, bits and nlist count, where the method has them. where: the file of the
    documents, for the message.

    Raises:
        InputError: the method is unknown, or a setting is missing or does not fit.
    """
    if min(N, D) < 1:
        raise InputError(where, f"{N} documents of {D} dimensions", LARGER)
    if system in libraries():
        check_library(system, typed(system, settings), N, D)
        return
    check_width(system, int(settings.get("M", 0)), D)
    if system in WIDE:
        bits = int(settings.get("bits", BITS))
        check_bits(system, bits)
        _check_pq(system, 2**bits, int(settings.get("sample", 0)), N, D, where)
    if system == "itq-lsh" and 8 * int(settings["M"]) > N:
        found = f"{N} documents for {8 * int(settings['M'])} bits"
        raise InputError(where, found, f"{LARGER}, or leave out M above {N // 8}")
    if system == "ivf-jpq":
        check_lists(int(settings.get("nlist", 0)), N)


def check_width(system: str, M: int, D: int) -> None:
    """Raise InputError when an index of M sub-quantizers, or bytes for LSH, cannot be of D.

    Raises:
        InputError: the system is unknown too.
    """
    known = {"brute-force", *INDEXES}
    if system not in known:
        remedy = f"Choose one of {sorted(known | set(libraries()))}"
        raise InputError("system", f"{system!r} is unknown", remedy)
    if system != "brute-force" and M < 1:  # on 0 bits faiss divides by zero
        raise InputError("M", f"{M} for {system}", "Choose 1 or more")
    if system in WIDE:
        check_divides(D, M)
    if system == "itq-lsh" and 8 * M > D:  # its rotation can keep or lower the dimension
        raise InputError("itq-lsh", f"{8 * M} bits, {D} dimensions", "Leave out M above D / 8")


def check_bits(system: str, bits: int) -> None:
    """Raise InputError when a method has no codes of so many bits."""
    if bits not in WIDE.get(system, [BITS]):
        fits = WIDE.get(system, [BITS])
        raise InputError("bits", f"{bits} a code for {system}", f"Choose one of {fits}")


def check_lists(nlist: int, N: int) -> None:
    """Raise InputError when N documents cannot be split into `nlist` inverted lists."""
    if not 0 < nlist <= N:
        found = f"{nlist} lists for {N} documents"
        raise InputError("nlist", found, "Choose at least 1, and at most one for each document")


def typed(system: str, settings: dict[str, float]) -> Checked:
    """Return the `Settings` of a library's index from numbers by name, whole ones as int.

    The seed, which changes no check, may be left out.

    Raises:
        InputError: a setting is unknown or missing, not whole, or beyond its bounds.
    """
    kind = module(system).Settings
    told = {name: own for name, (own, _) in described(kind).items()}
    given = {"seed": 0, **settings}
    for name in sorted(set(given) ^ set(told)):
        found = "is missing" if name in told else "is unknown"
        wanted = ", ".join(own for own in told if own != "seed")
        raise InputError("settings", f"{name!r} {found}", f"Give {wanted}")
    for name, own in told.items():
        if own is int and given[name] != int(given[name]):
            raise InputError(name, f"{given[name]} is not whole", "Give a whole number")
    return kind(**{name: own(given[name]) for name, own in told.items()})


def _check_pq(system: str, least: int, sample: int, N: int, D: int, where: object) -> None:
    """K centroids take K documents, and a rotation D: with fewer, faiss corrupts its memory.

    least: K.
    """
    if least > N:
        raise InputError(where, f"{N} documents for K={least}", LARGER)
    if 0 < sample < least:
        found = f"{sample} documents for K={least}"
        raise InputError("sample", found, f"Set it to {least} or more")
    if system in ROTATED and N < D:
        raise InputError(where, f"{N} documents for {D} dimensions", LARGER)
    if system in ROTATED and 0 < sample < D:
        found = f"{sample} documents for {D} dimensions"
        raise InputError("sample", found, "Train the rotation on at least as many documents")


def check_library(system: str, settings: Checked, N: int, D: int) -> None:
    """Raise InputError where a library's index cannot be built over N documents of D dimensions.

    Its `documents_needed` says how many it takes; one is enough where it has none.
    """
    needed = getattr(module(system), "documents_needed", None)
    least = needed(settings, D) if needed else 1
    if least > N:
        raise InputError("documents", f"{N}, training takes {least}", LARGER)
    if 0 < (sample := getattr(settings, "sample", 0)) < least:
        found = f"{sample} documents, training takes {least}"
        raise InputError("sample", found, f"Set it to {least} or more")
