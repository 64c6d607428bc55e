"""Texts as a generator reads them: their tokens, and what the frozen encoder makes of these."""

from typing import NamedTuple

import numpy as np
import torch

from jointir.basics.progress import progress
from jointir.encode.embed import BATCH_TOKENS, batches
from jointir.encode.encoder import DualEncoder

CACHE = 4 << 30  # bytes of states that are kept; those of more documents are made at each step


class Source(NamedTuple):
    """tokens: int64[B, T]. states: float[B, T, D]. valid: bool[B, T], what is no padding."""

    tokens: torch.Tensor
    states: torch.Tensor
    valid: torch.Tensor


class Sources:
    """The sources of some documents, or queries, by their place among them."""

    def __init__(
        self, encoder: DualEncoder, texts: list[str], cached: bool = False, kind: str = "document"
    ):
        """encoder: frozen; its length limit for texts of a kind is theirs. cached: keep states."""
        self.encoder = encoder
        self.tokens = encoder.tokenize(texts, kind)
        self._states: list[torch.Tensor] = []
        size = 2 * encoder.model[0].get_embedding_dimension()  # bytes of a token
        if cached and size * sum(map(len, self.tokens)) <= CACHE:
            self._states = self._all()

    def __call__(self, rows: np.ndarray) -> Source:
        """Return the sources of int64[B]."""
        tokens, valid = self._padded(rows)
        if not self._states:
            return Source(tokens, self._encode(tokens, valid), valid)
        some = [self._states[row] for row in rows]
        states = torch.nn.utils.rnn.pad_sequence(some, batch_first=True).float()
        return Source(tokens, states.to(tokens.device), valid)

    def _padded(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        wanted = {"input_ids": [self.tokens[row] for row in rows]}
        padded = self.encoder.model.tokenizer.pad(wanted, return_tensors="pt")
        device = self.encoder.device
        return padded["input_ids"].to(device), padded["attention_mask"].bool().to(device)

    @torch.inference_mode()
    def _encode(self, tokens: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        features = {"input_ids": tokens, "attention_mask": valid.long()}
        return self.encoder.model[0](features)["token_embeddings"].float()

    def _all(self) -> list[torch.Tensor]:
        """Return float16[T, D] of each document."""
        found: list[torch.Tensor] = [torch.empty(0)] * len(self.tokens)
        plan = list(batches([len(t) for t in self.tokens], BATCH_TOKENS))
        for rows in progress(plan, "states of texts", unit="batches"):
            tokens, valid = self._padded(rows)
            states = self._encode(tokens, valid).half().cpu()
            for row, own in zip(rows, states, strict=True):
                found[row] = own[: len(self.tokens[row])].clone()
        return found
