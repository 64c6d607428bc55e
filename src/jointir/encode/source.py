"""Where the encoder that a user names has its files; a module of its own, which loads at once."""

import json
from importlib.util import find_spec
from pathlib import Path

from jointir.basics.errors import InputError

WHERE = "encoder.checkpoint"
PACKAGE = "package:"
CORRECT = "Correct the path, or name a hub id or package:MODULE/FOLDER"


def folder_of(checkpoint: str, where: str = WHERE) -> Path | None:
    """Return the folder of a path or of `package:MODULE/FOLDER`, None for an id of the hub.

    where: the parameter that named it, for what is refused.

    Raises:
        InputError: the path is not there, or no package that is installed holds the folder.
    """
    if checkpoint.startswith(PACKAGE):
        return _in_package(checkpoint, where)
    try:
        folder = Path(checkpoint).expanduser()
    except RuntimeError as e:
        raise InputError(where, f"there is no home folder for {checkpoint!r}", CORRECT) from e
    if folder.is_dir():
        return folder
    if checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") > 1:
        raise InputError(where, f"there is no folder {str(folder)!r}", CORRECT)
    return None


def _in_package(checkpoint: str, where: str) -> Path:
    module, _, name = checkpoint.removeprefix(PACKAGE).partition("/")
    try:
        spec = find_spec(module) if module.isidentifier() else None
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    # a built-in module's origin is no path
    folder = Path(spec.origin).parent / name if spec and spec.has_location else None
    if folder is None or not folder.is_dir():
        remedy = "Install the package that carries it, or name a folder or a hub id"
        raise InputError(where, f"{checkpoint!r} is not installed", remedy)
    return folder


def dimension(folder: Path | None) -> int | None:
    """Return D as the configuration files in a checkpoint's folder tell it, None where they do not.

    Of a plain transformer, and of one with pooling, dense layers and normalization behind it. The
    stage `checkpoint` finds out for any other, and refuses files that are wrong.
    """
    try:
        parts = json.loads((folder / "modules.json").read_text())
        kinds = [part["type"].rpartition(".")[2] for part in parts]
        D = _read(folder / parts[0]["path"], "config.json")["hidden_size"]
        for kind, part in zip(kinds[1:], parts[1:], strict=True):
            own = {} if kind == "Normalize" else _read(folder / part["path"], "config.json")
            modes = [k for k, v in own.items() if k.startswith("pooling_mode_") and v]
            if kind == "Dense":
                D = own["out_features"]
            several = len(modes) > 1 or not isinstance(own.get("pooling_mode", ""), str)
            if kind not in ("Normalize", "Pooling", "Dense") or several:
                return None
        return _cut(folder, D)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def _cut(folder: Path, D: int) -> int | None:
    """Return D, or None where a model of Matryoshka's kind may cut it."""
    name = "config_sentence_transformers.json"
    cut = _read(folder, name).get("truncate_dim") if (folder / name).exists() else None
    return D if cut is None and isinstance(D, int) and D > 0 else None
