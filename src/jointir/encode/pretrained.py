"""Models of transformers that are used as they are: a tokenizer, and weights from safetensors."""

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from jointir.basics.errors import InputError
from jointir.encode.source import folder_of
from jointir.encode.weights import CONVERT, summary, without_pickle


def load_pretrained(
    kind: type, checkpoint: str, device: torch.device, where: str, what: str, lacking: str
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Return the tokenizer and the model, in float32 and not to be trained, of a checkpoint.

    kind: transformers' class that loads it, for instance AutoModelForMaskedLM. checkpoint: a
    folder, a hub id, or package:MODULE/FOLDER. where: the setting that names it. what: the model's
    kind in words. lacking: the remedy where its files lack tensors.

    Raises:
        InputError: it cannot be loaded, lacks weights, or has them not in safetensors.
    """
    source = str(folder_of(checkpoint, where) or checkpoint)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        return tokenizer, _load(kind, source, where, lacking).to(device).eval()
    except (InputError, MemoryError):
        raise
    except Exception as e:  # of whatever classes the files name
        if isinstance(e, OSError) and "safetensors" in str(e):
            raise InputError(where, f"{source!r} has no weights in safetensors", CONVERT) from e
        remedy = f"Name a folder or a hub id (with internet) of a {what}"
        raise InputError(where, f"cannot load {source!r} ({summary(e)})", remedy) from e


def _load(kind: type, source: str, where: str, lacking: str) -> PreTrainedModel:
    with without_pickle():
        model, told = kind.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    if wrong := sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]])):
        raise InputError(where, f"the files of {source!r} lack {wrong[0]} of their model", lacking)
    return model
