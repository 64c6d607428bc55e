"""Queries written by a seq2seq model of transformers: docT5query (Nogueira and Lin 2019)."""

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel

from jointir.encode.source import folder_of
from jointir.encode.weights import CONVERT, summary, without_pickle
from jointir.errors import InputError

WHERE = "expand.checkpoint"
READ, LENGTH = 512, 64  # tokens of a document and of a query, as docT5query has them


class Checkpoint:
    """Writes queries by a pretrained model, as it is."""

    def __init__(self, checkpoint: str, device: torch.device):
        """checkpoint: a folder, a hub id, or package:MODULE/FOLDER.

        Raises:
            InputError: it cannot be loaded, lacks weights, or has them not in safetensors.
        """
        source = str(folder_of(checkpoint, WHERE) or checkpoint)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source)
            self.model = load(source).to(device).eval()
        except (InputError, MemoryError):
            raise
        except Exception as e:  # of whatever classes the files name
            if isinstance(e, OSError) and "safetensors" in str(e):
                found = f"{source!r} has no weights in safetensors"
                raise InputError(WHERE, found, CONVERT) from e
            remedy = "Name a folder or a hub id (with internet) of a seq2seq model"
            raise InputError(WHERE, f"cannot load {source!r} ({summary(e)})", remedy) from e

    @torch.inference_mode()
    def __call__(self, texts: list[str], n: int, top_k: int) -> list[list[str]]:
        """Return n queries for each document."""
        options = {"truncation": True, "max_length": READ, "padding": True, "return_tensors": "pt"}
        given = self.tokenizer(texts, **options).to(self.model.device)
        found = self.model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            do_sample=True,
            top_k=top_k,
            max_length=LENGTH,
            num_return_sequences=n,
        )
        told = self.tokenizer.batch_decode(found, skip_special_tokens=True)
        return [told[at : at + n] for at in range(0, len(told), n)]


def load(source: str) -> PreTrainedModel:
    """Load a seq2seq model in float32, of safetensors alone.

    Raises:
        InputError: its files lack tensors of the model.
    """
    with without_pickle():
        model, told = AutoModelForSeq2SeqLM.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    if wrong := sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]])):
        found = f"the files of {source!r} lack {wrong[0]} of their model"
        raise InputError(WHERE, found, "Check that its files belong together")
    return model
