"""Params of version 0.1: refused with the name that each has now."""

from jointir.basics.errors import InputError
from jointir.basics.settings import described
from jointir.methods.known import settings

# sections that are entries of `systems` now
ENTRIES = ("star", "opq", "pq", "lsh", "itq-lsh", "jpq", "opq-4bit", "jpq-4bit", "ivf-jpq", "dpq")
ENTRIES += ("bm25",)
# sections that held such entries, or became a report's
SECTIONS = {
    "ann": "systems",
    "ablation.variants": "systems",
    "asi.variants": "systems",
    "ablation.run": "figure7.systems",
    "ablation.seeds": "systems.NAME.seeds, of each entry",
    "ablation.every_seed": "systems.NAME.every_seed, of each entry",
    "ablation": "figure7",
    "retrievers.run": "figure1.systems",
    "retrievers": "systems",
    "asi.run": "asi.systems",
    "scale": "scaling",
}
WHOLE = ("systems", "scaling")  # of these new sections, that of the old one has the same parameters
OF_ASI = ("settle", "seeds", "beam")  # of the entry asi++ now, beside the method's settings
RENAMED = {"settle": "train_decoder"}  # settings of an entry


def check_moved(config: dict) -> None:
    """Refuse the first parameter that has moved.

    Raises:
        InputError: it tells the new name.
    """
    moving = {*ENTRIES, "systems", *(name.split(".")[0] for name in SECTIONS)}
    for section in config:
        if section in moving:
            for old in _leaves(config[section], section):
                if new := moved(old):
                    remedy = "Rename it; CHANGELOG.md has all that moved in 0.2.0"
                    raise InputError("params", f"{old} is now {new}", remedy)


def moved(old: str) -> str:
    """Return the new name of a parameter, by its path with dots; "" where it has not moved."""
    parts = (_in_entry(old) or old).split(".")
    if parts[0] == "systems" and len(parts) > 2:
        parts[2] = RENAMED.get(parts[2], parts[2])
        if parts[2] == "build" and len(parts) > 3:  # of a library's index
            del parts[2]
    new = ".".join(parts)
    return new if new != old else ""


def _in_entry(old: str) -> str:
    """Return where a parameter of a section is now; "" where it is still there."""
    section = old.split(".")[0]
    if section in ENTRIES:
        return f"systems.{old}"
    for before, after in SECTIONS.items():
        if old == before or old.startswith(f"{before}."):
            return after + (old.removeprefix(before) if after in WHOLE else "")
    if section == "asi" and {*OF_ASI, *described(settings("asi"))} & set(old.split(".")[1:2]):
        return f"systems.asi++.{old.removeprefix('asi.')}"
    return ""


def _leaves(tree: object, path: str) -> list[str]:
    """Return the path of every value; an empty group is one."""
    if not isinstance(tree, dict) or not tree:
        return [path]
    return [leaf for key, value in tree.items() for leaf in _leaves(value, f"{path}.{key}")]
