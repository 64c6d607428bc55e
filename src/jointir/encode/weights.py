"""How the weights of a model are read: as float32, from safetensors alone, and telling what fits.

transformers draws the tensors that a file lacks at random, and only logs it.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.model import BaseModel
from transformers import PreTrainedModel

from jointir.basics.errors import InputError
from jointir.encode.checks import CUSTOM
from jointir.encode.fit import Fit, check_shapes, some, tensors
from jointir.encode.source import WHERE

# transformers would otherwise ask a service to convert a pickle of the hub
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
DAMAGED = "Delete it and rerun the stage that writes it"
CONVERT = "jointir loads no pickle. Save the model again with its weights in safetensors"
Model = TypeVar("Model", bound=BaseModel)


def load_original(source: str) -> tuple[SentenceTransformer, Fit]:
    """Load what the user names, in float32.

    source: a folder or a hub id.

    Raises:
        InputError: it cannot be loaded, wants code of its own, has its weights in a pickle, or in
            a file of another configuration.
    """
    try:
        model, fit = load_float32(SentenceTransformer, source)
    except (InputError, MemoryError):
        raise
    except Exception as e:  # of whatever classes the files name
        raise InputError(WHERE, *_why(source, e)) from e
    check_shapes(fit, WHERE, source)
    return model, fit


def load_saved(kind: type[Model], folder: Path) -> Model:
    """Load what a stage of jointir wrote, in float32: every tensor is in its files.

    Raises:
        InputError: the folder is damaged.
    """
    try:
        model, fit = load_float32(kind, str(folder), local_files_only=True)
    except (InputError, MemoryError):
        raise
    except Exception as e:  # of whatever classes the files name
        raise InputError(folder, f"cannot be loaded ({summary(e)})", DAMAGED) from e
    if wrong := [*fit.missing, *fit.reshaped]:
        found = f"lacks {tensors(wrong)} of its model: {some(wrong)}"
        raise InputError(folder, found, DAMAGED)
    return model


def load_float32(kind: type[Model], source: str, **options: bool) -> tuple[Model, Fit]:
    """Load a sentence-transformers model on the CPU, its weights float32 whatever the file has.

    In half precision most of a training's updates would be rounded away. Nothing of the file is
    lost: every number of float16 and bfloat16 is one of float32.

    Returns: the model, and which tensors its transformer and the file do not share.

    Raises:
        InputError: a file of weights is a pickle.
    """
    exact = {"dtype": torch.float32, "use_safetensors": True}
    with without_pickle(), _recorded() as fit:
        model = kind(source, device="cpu", model_kwargs=exact, **options)
    return model.float(), fit


def summary(error: Exception) -> str:
    """Return an error's type and the first line that says something, with what a colon ends."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    return f"{type(error).__name__}: {text[:240].rstrip('.')}"


def _why(source: str, error: Exception) -> tuple[str, str]:
    """Return what was found and the remedy, of an error in loading what the user names."""
    text, local = str(error), Path(source).is_dir()
    if "trust_remote_code" in text:
        return f"{source!r} wants code of its own", CUSTOM
    if isinstance(error, OSError) and "file named model.safetensors" in text:
        return f"{source!r} has no weights in safetensors", CONVERT
    remedy = "Name a folder, a hub id (with internet), or package:MODULE/FOLDER"
    if isinstance(error, ImportError):
        remedy = "Install what it asks for, or choose another model"
    elif local:
        remedy = "Check that its files belong together, or save the model again"
    return f"cannot load {source!r} ({summary(error)})", remedy


@contextmanager
def without_pickle() -> Iterator[None]:
    """Refuse every pickle for the block: all that loads weights here calls torch.load for them."""
    own = torch.load
    torch.load = _refuse
    try:
        yield
    finally:
        torch.load = own


def _refuse(path: object, *args: object, **options: object) -> NoReturn:
    raise InputError(WHERE, f"the weights in {str(path)!r} are a pickle", CONVERT)


@contextmanager
def _recorded() -> Iterator[Fit]:
    """Have transformers tell for the block which tensors did not fit, in place of its own table."""
    fit, own = Fit(), PreTrainedModel.__dict__["from_pretrained"]

    def from_pretrained(kind: type, *args: object, **options: object) -> PreTrainedModel:
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model, told = own.__func__(kind, *args, **options)
        fit.add(model, told)
        return model

    logger, quiet = logging.getLogger("transformers.modeling_utils"), _NoTable()
    PreTrainedModel.from_pretrained = classmethod(from_pretrained)
    logger.addFilter(quiet)
    try:
        yield fit
    finally:
        logger.removeFilter(quiet)
        PreTrainedModel.from_pretrained = own


class _NoTable(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()
