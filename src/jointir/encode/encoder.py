"""The dual encoder: one transformer that embeds queries and documents for inner product search."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from jointir.encode.packed import can_pack, embed_packed
from jointir.encode.source import folder_of
from jointir.errors import InputError
from jointir.files import atomic, read_json, write_json

SETTINGS = "jointir.json"  # beside the sentence-transformers files, which have one length for both
logging.disable_progress_bar()  # the stages have their own
DAMAGED = "Delete it and rerun the stage that writes it"


def best_device() -> torch.device:
    """Return the CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class DualEncoder(torch.nn.Module):
    """f of eq. 1 in the JPQ paper: text to an embedding in R^D.

    Stands on SentenceTransformer for pooling, normalization and the file format; adds a length
    limit and a prompt for each of the two kinds of text.
    """

    def __init__(self, model: SentenceTransformer, max_length: dict[str, int]):
        super().__init__()
        self.model, self.max_length = model, max_length

    @classmethod
    def load(cls, folder: Path) -> "DualEncoder":
        """Load what `save` wrote.

        Raises:
            InputError: the folder is not one of this project's encoders, or is damaged.
        """
        if not (folder / SETTINGS).is_file():
            remedy = "Make it with `jointir checkpoint`"
            raise InputError(folder, f"holds no {SETTINGS}", remedy)
        try:
            model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
            return cls(model, read_json(folder / SETTINGS)["max_length"])
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as e:
            raise InputError(folder, f"cannot be loaded ({str(e)[:120]})", DAMAGED) from e

    @property
    def dim(self) -> int:
        """D, the number of dimensions of an embedding."""
        return int(self.model.get_embedding_dimension())

    @property
    def normalized(self) -> bool:
        """Whether every embedding has length 1."""
        return type(self.model[-1]).__name__ == "Normalize"

    def tokenize(self, texts: list[str], kind: str) -> list[list[int]]:
        """Return the token ids of each text with its kind's prompt, cut to its kind's length."""
        prompt = (self.model.prompts or {}).get(kind) or ""
        # lone surrogates cannot reach the tokenizer, which wants UTF-8
        clean = [(prompt + t).encode("utf-8", "replace").decode() for t in texts]
        options = {"truncation": True, "max_length": self.max_length[kind]}
        return self.model.tokenizer(clean, return_attention_mask=False, **options)["input_ids"]

    def forward(self, tokens: list[list[int]]) -> torch.Tensor:
        """Embed a batch: token ids of B texts to float[B, D], in their order."""
        return self._outputs(tokens, ["sentence_embedding"])[0]

    def _outputs(
        self, tokens: list[list[int]], names: list[str], **options: str
    ) -> list[torch.Tensor]:
        """Return outputs of the model for token ids of B texts, tensors of [B, ...] in their order.

        On a CPU, texts of unlike lengths are packed, where the model is of a kind that can be: a
        batch of 32 queries that holds one long query would otherwise be mostly padding.
        """
        uneven = len({len(t) for t in tokens}) > 1
        if uneven and self.device.type == "cpu" and can_pack(self.model):
            return embed_packed(self.model, tokens, names, **options)
        padded = self.model.tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
        features = self.model({k: v.to(self.device) for k, v in padded.items()}, **options)
        return [features[name] for name in names]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def save(self, out: Path, kind: str = "document") -> None:
        """Write a folder that SentenceTransformer loads too (safetensors), atomically.

        Its own maximal length is that of `kind`, so that plain sentence-transformers embeds texts
        of that kind exactly as this project does.
        """
        with atomic(out) as scratch:
            self.model.max_seq_length = self.max_length[kind]
            self.model.save(str(scratch), create_model_card=False)
            write_json(scratch / SETTINGS, {"max_length": self.max_length})


def checkpoint(
    checkpoint: str,
    out: Path,
    query_max_length: int,
    document_max_length: int,
    query_prompt: str = "",
    document_prompt: str = "",
    dropout: bool = True,
) -> None:
    """Import any transformers or sentence-transformers checkpoint as the encoder to start from.

    A plain transformers checkpoint gets sentence-transformers' default, mean pooling. dropout:
    whether trainings that start from it have the dropout of its configuration, or none.

    Raises:
        InputError: the checkpoint cannot be found or loaded.
    """
    source = str(folder_of(checkpoint) or checkpoint)
    try:
        model = SentenceTransformer(source, device="cpu")
    except (OSError, ValueError) as e:
        remedy = "Name a folder, a hub id (with internet), or package:MODULE/FOLDER"
        raise InputError("encoder.checkpoint", f"cannot load {checkpoint!r} ({e})", remedy) from e
    model.prompts = {"query": query_prompt, "document": document_prompt}
    if not dropout:
        turn_off_dropout(model)
    lengths = {"query": query_max_length, "document": document_max_length}
    DualEncoder(model, lengths).save(out)


def turn_off_dropout(model: SentenceTransformer) -> None:
    """Set every rate of dropout in the transformer's configuration to 0: it is saved with it."""
    if (transformer := model.transformers_model) is None:  # static embeddings have none
        return
    for name, rate in transformer.config.to_dict().items():
        if "drop" in name and isinstance(rate, float):
            setattr(transformer.config, name, 0.0)
