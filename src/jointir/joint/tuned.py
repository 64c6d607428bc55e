"""The settings of JPQ that the `tune` stage chooses, as its file holds them."""

from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.basics.settings import described
from jointir.methods import known

NAMES = ("lr", "centroid_lr", "scale", "ranking", "distillation", "sentences", "mined_from")
# with its type; `known` and no import: an edit of JPQ makes no other training's index again
TUNED = {name: described(known.settings("jpq"))[name][0] for name in NAMES}


def chosen(path: Path) -> dict[str, float | str]:
    """Return the settings that `tune` wrote.

    Raises:
        InputError: the file is not of this stage.
    """
    found = read_json(path)
    own = found.get("chosen") if isinstance(found, dict) else None
    if not isinstance(own, dict) or not set(own) <= set(TUNED):
        raise InputError(path, "holds no choice of settings", "Rerun the tune stage")
    return {name: TUNED[name](value) for name, value in own.items()}
