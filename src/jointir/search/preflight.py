"""The `fits` stage: do the systems that are to be run fit the collection and the encoder?"""

from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import read_json, write_json
from jointir.data.store import count_documents
from jointir.search.ann.registry import read_settings
from jointir.search.fits import check

SETTINGS = "jointir.json"  # of an encoder's folder


def fits(collection: Path, encoder: Path, out: Path, system: list[str]) -> None:
    """Check every system before the first training; write N and D, which decided, as JSON.

    collection: of N documents. encoder: a folder of `checkpoint`, of D dimensions, or the JSON
    beside a matrix of vectors. system: each "NAME:METHOD setting=value ...", what it is built with
    (`check` in fits.py); without the method where it is the name.

    Raises:
        InputError: a system cannot be built of N documents of D dimensions, and why.
    """
    facts = encoder / SETTINGS if encoder.is_dir() else encoder
    N, D = count_documents(collection), read_json(facts)["dim"]
    for one in system:
        told, *given = one.split()
        name, _, method = told.partition(":")
        try:
            check(method or name, read_settings(given), N, D, collection)
        except InputError as e:
            where, found, remedy = e.parts
            raise InputError(f"{name}, {where}", found, remedy) from e
    write_json(out, {"N": N, "D": D})
