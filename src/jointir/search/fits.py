"""Which settings fit which documents: asked before anything is trained, and by every builder.

It imports no library of search, so that a workflow can ask for all its systems at once.
"""

from jointir.errors import InputError
from jointir.methods.facts import Form
from jointir.methods.known import facts
from jointir.quantize.shape import BITS, K, check_divides

LARGER = "Use a larger corpus"
# the bits that a code of each method can have, K = 2^bits
WIDE = {name: list(own.bits) for name, own in facts().items() if own.bits}
ROTATED = set(WIDE) - {"pq"}  # they are OPQ, or start from it
INDEXES = {name for name, own in facts().items() if own.form == Form.INDEX}
_OPQ = {"iterations": 1, "sample": 0}
_HNSW = {"links": 2, "ef_construction": 1}
_SCANN = {"bits": 1, "M": 1, "anisotropic": 0.0}
# the build settings of the approximate indexes, and the smallest value that each may have; a whole
# number asks for whole numbers
LEAST: dict[str, dict[str, float]] = {
    "annoy": {"trees": 1},
    "falconn": {"tables": 1, "hash_functions": 1},
    "flann": {"trees": 1},
    "imi": {"bits": 1},
    "hnsw": _HNSW,
    "hnsw-opq": _HNSW | {"M": 1} | _OPQ,
    "scann": _SCANN,
    "opq-scann": _SCANN | _OPQ,
}


def check(
    system: str, settings: dict[str, float], N: int, D: int, where: object = "documents"
) -> None:
    """Raise InputError where `system` cannot be built with `settings` over N documents of D.

    system: the method. settings: of an approximate index exactly its build settings (LEAST); of the
    others M, sample, bits and nlist count, where the method has them. where: the file of the
    documents, for the message.

    Raises:
        InputError: the method is unknown, or a setting is missing or does not fit.
    """
    if min(N, D) < 1:
        raise InputError(where, f"{N} documents of {D} dimensions", LARGER)
    if system in LEAST:
        _check_ann(system, typed(system, settings), N, D)
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
        remedy = f"Choose one of {sorted(known | set(LEAST))}"
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


def block_count(D: int, M: int, bits: int) -> int:
    """Return the blocks of dimensions that M bytes of ScaNN's codes make.

    Raises:
        InputError: they are not of equal length, or ScaNN has no codes of so many bits.
    """
    if bits not in (4, 8):
        raise InputError("bits", f"{bits} a code", "Choose one of [4, 8]")
    if D % (8 * M // bits):
        fits = [m for m in range(1, D + 1) if D % (8 * m // bits) == 0]
        found = f"{M} bytes are {8 * M // bits} codes, which do not divide {D} dimensions"
        raise InputError("M", found, f"Choose one of {fits}")
    return 8 * M // bits


def typed(system: str, settings: dict[str, float]) -> dict[str, float]:
    """Return the build settings of an approximate index, whole numbers as int.

    Raises:
        InputError: a setting is unknown or missing, too small, or not whole.
    """
    least = LEAST[system]
    for name in sorted(set(settings) ^ set(least)):
        found = "is missing" if name in least else "is unknown"
        raise InputError("settings", f"{name!r} {found}", f"Give {', '.join(least)}")
    for name, low in least.items():
        if settings[name] < low:
            raise InputError(name, f"{settings[name]} is too small", f"Set it to {low} or more")
        if isinstance(low, int) and settings[name] != int(settings[name]):
            raise InputError(name, f"{settings[name]} is not whole", "Give a whole number")
    return {name: type(low)(settings[name]) for name, low in least.items()}


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


def _check_ann(system: str, settings: dict[str, float], N: int, D: int) -> None:
    least = 1
    if system == "imi":
        least = 2 ** int(settings["bits"])
        if D % 2:
            raise InputError("imi", f"{D} dimensions have no equal halves", "Choose an even number")
    elif system == "falconn":
        least = 2  # with one, it dies
    elif system == "hnsw-opq":
        check_divides(D, int(settings["M"]))
        least = max(D, K)
    elif "scann" in system:
        bits = int(settings["bits"])
        block_count(D, int(settings["M"]), bits)
        least = max(2**bits, D if system == "opq-scann" else 1)  # it would keep fewer whole
    if least > N:
        raise InputError("documents", f"{N}, training takes {least}", LARGER)
    if 0 < settings.get("sample", 0) < least:
        found = f"{settings['sample']} documents, training takes {least}"
        raise InputError("sample", found, f"Set it to {least} or more")
