"""Queries written by a seq2seq model of transformers: docT5query (Nogueira and Lin 2019)."""

import torch
from transformers import AutoModelForSeq2SeqLM

from jointir.encode.pretrained import load_pretrained

WHERE = "expand.checkpoint"
LACKING = "Check that its files belong together"
READ, LENGTH = 512, 64  # tokens of a document and of a query, as docT5query has them


class Checkpoint:
    """Writes queries by a pretrained model, as it is."""

    def __init__(self, checkpoint: str, device: torch.device):
        """checkpoint: a folder, a hub id, or package:MODULE/FOLDER.

        Raises:
            InputError: it cannot be loaded, lacks weights, or has them not in safetensors.
        """
        self.tokenizer, self.model = load_pretrained(
            AutoModelForSeq2SeqLM, checkpoint, device, WHERE, "seq2seq model", LACKING
        )

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
