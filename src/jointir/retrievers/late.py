"""Late interaction (ColBERT): a text is the bag of its tokens' embeddings.

Khattab and Zaharia 2020: s(q, d) = sum over tokens of q of the highest inner product with a token
of d (equation 3), embeddings of length 1 after a linear layer. Punctuation is no token, as there.
Queries are not filled up with [MASK]: every filled token is one more to compare with every token
of every document, and search here is exhaustive.
"""

import string
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from jointir.encode.encoder import DualEncoder
from jointir.errors import InputError
from jointir.files import atomic

WEIGHTS = "projection.safetensors"


class LateInteraction(torch.nn.Module):
    """One transformer and one projection for queries and documents."""

    def __init__(self, encoder: DualEncoder, dim: int, seed: int = 0):
        super().__init__()
        self.encoder = encoder
        generator = torch.Generator().manual_seed(seed)
        random = torch.randn(encoder.dim, dim, generator=generator)
        # orthonormal rows keep inner products as well as a projection that is not learned can
        self.projection = torch.nn.Parameter(torch.linalg.qr(random).Q.T.contiguous())  # [dim, D]
        vocabulary = encoder.model.tokenizer.get_vocab()
        marks = [vocabulary[c] for c in string.punctuation if c in vocabulary]
        self.register_buffer("punctuation", torch.tensor(marks, dtype=torch.long))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.projection.device

    def forward(self, tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed a batch: token ids of B texts to float[B, T, dim] and bool[B, T], which count.

        Embeddings that do not count are zero.
        """
        padded = self.encoder.model.tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
        features = {k: v.to(self.device) for k, v in padded.items()}
        hidden = self.encoder.model[0](dict(features))["token_embeddings"]  # [B, T, D]
        counts = features["attention_mask"].bool()
        marks = torch.isin(features["input_ids"], self.punctuation)
        counts = torch.where((counts & ~marks).any(1, keepdim=True), counts & ~marks, counts)
        embedded = normalize(hidden @ self.projection.T, dim=-1)
        return embedded * counts[..., None], counts

    def save(self, out: Path) -> None:
        """Write a folder: `encoder/` and the projection as safetensors, atomically."""
        with atomic(out) as scratch:
            self.encoder.save(scratch / "encoder")
            save_file({"projection": self.projection.detach().cpu()}, scratch / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "LateInteraction":
        """Load what `save` wrote.

        Raises:
            InputError: the folder holds no late-interaction model.
        """
        if not (folder / WEIGHTS).is_file():
            raise InputError(folder, f"holds no {WEIGHTS}", "Make it with `jointir colbert`")
        weights = load_file(folder / WEIGHTS)["projection"]
        model = cls(DualEncoder.load(folder / "encoder"), len(weights))
        model.projection.data = weights
        return model.eval()


def max_sim(
    queries: torch.Tensor,
    query_counts: torch.Tensor,
    docs: torch.Tensor,
    doc_counts: torch.Tensor,
) -> torch.Tensor:
    """Return s(q, d), float[A, B], of every query with every document.

    queries: float[A, S, dim]; docs: float[B, T, dim]; *_counts: bool[A, S] and bool[B, T].
    """
    A, S, dim = queries.shape
    found = queries.reshape(A * S, dim) @ docs.reshape(-1, dim).T
    found = found.view(A, S, *docs.shape[:2])  # [A, S, B, T]
    best = found.masked_fill(~doc_counts, -torch.inf).amax(3)  # [A, S, B]
    return (best * query_counts[..., None]).sum(1)
