"""Where the encoder that a user names has its files; a module of its own, which loads at once."""

from importlib.util import find_spec
from pathlib import Path

from jointir.errors import InputError

WHERE = "encoder.checkpoint"
PACKAGE = "package:"
CORRECT = "Correct the path, or name a hub id or package:MODULE/FOLDER"


def folder_of(checkpoint: str) -> Path | None:
    """Return the folder of a path or of `package:MODULE/FOLDER`, None for an id of the hub.

    Raises:
        InputError: the path is not there, or no package that is installed holds the folder.
    """
    if checkpoint.startswith(PACKAGE):
        return _in_package(checkpoint)
    try:
        folder = Path(checkpoint).expanduser()
    except RuntimeError as e:
        raise InputError(WHERE, f"there is no home folder for {checkpoint!r}", CORRECT) from e
    if folder.is_dir():
        return folder
    if checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") > 1:
        raise InputError(WHERE, f"there is no folder {str(folder)!r}", CORRECT)
    return None


def _in_package(checkpoint: str) -> Path:
    module, _, name = checkpoint.removeprefix(PACKAGE).partition("/")
    try:
        spec = find_spec(module) if module.isidentifier() else None
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    # a built-in module's origin is no path
    folder = Path(spec.origin).parent / name if spec and spec.has_location else None
    if folder is None or not folder.is_dir():
        remedy = "Install the package that carries it, or name a folder or a hub id"
        raise InputError(WHERE, f"{checkpoint!r} is not installed", remedy)
    return folder
