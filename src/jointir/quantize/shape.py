"""What a code is made of. No faiss: a workflow asks before anything is built."""

from jointir.basics.errors import InputError

BITS = 8  # of a code: K = 256 centroids, the papers' setting
K = 2**BITS


def check_divides(D: int, M: int) -> None:
    """Raise InputError when M sub-vectors of equal length do not make up D dimensions."""
    if M < 1 or D % M:
        fits = [m for m in range(1, D + 1) if D % m == 0]
        raise InputError("M", f"{M} does not divide the dimension {D}", f"Choose one of {fits}")
