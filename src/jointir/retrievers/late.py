"""Late interaction (ColBERT): a text is the bag of its tokens' embeddings.

Khattab and Zaharia 2020: s(q, d) = sum over tokens of q of the highest inner product with a token
of d (equation 3), embeddings of length 1 after a linear layer; a document's punctuation is no
token, as there. Queries are not filled up with [MASK]: every filled token is one more to compare
with every token of every document, and search here is exhaustive.
"""

import string
from pathlib import Path

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Normalize
from sentence_transformers.util.similarity import maxsim

from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.encode.encoder import SETTINGS, DualEncoder
from jointir.encode.weights import load_saved


class LateInteraction(DualEncoder):
    """A dual encoder of token embeddings: one transformer and one projection for both sides.

    Stands on MultiVectorEncoder for masks and the file format.
    """

    model: MultiVectorEncoder

    @classmethod
    def start(cls, encoder: DualEncoder, dim: int, seed: int) -> "LateInteraction":
        """Return the transformer of `encoder` with a projection to `dim` dimensions to be learned.

        It starts orthonormal, which keeps inner products as well as any that is not learned.
        """
        tokens = {"module_input_name": "token_embeddings"}
        width = encoder.model[0].get_embedding_dimension()  # of a token's, not of a text's
        projection = Dense(width, dim, False, torch.nn.Identity(), **tokens)
        random = torch.randn(width, dim, generator=torch.Generator().manual_seed(seed))
        projection.linear.weight.data = torch.linalg.qr(random).Q.T.contiguous()  # [dim, D]
        vocabulary = encoder.model.tokenizer.get_vocab()
        mask = MultiVectorMask([c for c in string.punctuation if c in vocabulary])
        parts = [encoder.model[0], projection, mask, Normalize(**tokens)]
        model = MultiVectorEncoder(modules=parts, device="cpu", prompts=encoder.model.prompts)
        return cls(model, encoder.max_length)

    @classmethod
    def load(cls, folder: Path) -> "LateInteraction":
        """Load what `save` wrote.

        Raises:
            InputError: the folder holds no late-interaction model.
        """
        about = folder / "config_sentence_transformers.json"
        kind = read_json(about).get("model_type") if about.is_file() else None
        if kind != MultiVectorEncoder.model_type or not (folder / SETTINGS).is_file():
            raise InputError(folder, "holds no late-interaction model", "Make it with colbert")
        model = load_saved(MultiVectorEncoder, folder)
        return cls(model, read_json(folder / SETTINGS)["max_length"])

    @property
    def projection(self) -> torch.nn.Parameter:
        """The projection's weights, float[dim, D]."""
        return self.model[1].linear.weight

    def forward(self, tokens: list[list[int]], kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed a batch: token ids of B texts to float[B, T, dim] and bool[B, T], which count."""
        embedded, counts = self._outputs(tokens, ["token_embeddings", "attention_mask"], kind)
        return embedded, counts.bool()

    def scores(self, queries: list[list[int]], docs: list[list[int]]) -> torch.Tensor:
        """Return s(q, d), float32[A, B], of the token ids of A queries and B documents."""
        (q, q_counts), (d, d_counts) = self(queries, "query"), self(docs, "document")
        return maxsim(q, d, a_mask=q_counts, b_mask=d_counts)
