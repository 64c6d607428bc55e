"""A softmax over documents: the decoder of atomic identifiers, which are one token each."""

import math

import torch
from torch import nn

from jointir.basics.errors import InputError

NOBODY = -20.0  # bias of a token that is no document's


class LinearDecoder(nn.Module):
    """A token's logit is the inner product of x = e sqrt(D / unit) and its vector, plus a bias.

    DSI's atomic identifiers (Tay et al. 2022, section 3.2): a token for each document beside those
    of the language model. DynamicRetriever's docid decoder (Zhou et al. 2022) is such a layer, too,
    and its vectors start from the documents' embeddings, as those of Ultron's atomic ones.
    """

    def __init__(self, D: int, L: int, V: int, unit: float = 1.0):
        """unit: the mean squared norm of the embeddings.

        Raises:
            InputError: L is not 1.
        """
        super().__init__()
        if L != 1:
            found = f"linear writes one token, and an identifier has {L}"
            raise InputError("asi.decoder", found, "Choose another one, or atomic identifiers")
        self.D, self.L, self.V, self.unit = D, L, V, unit
        self.vectors = nn.Parameter(torch.randn(V, D) * 0.02)
        self.bias = nn.Parameter(torch.zeros(V))

    @torch.no_grad()
    def start(self, books: torch.Tensor, scale: float = 30.0) -> None:
        """Begin with codebooks float[1, V, D], of which embeddings are about the rows.

        scale: factor on inner products that are divided by `unit`, as of a dense encoder's softmax.
        """
        self.vectors.copy_(scale / math.sqrt(self.D * self.unit) * books[0])
        self.bias.zero_()

    @torch.no_grad()
    def begin(self, ids: torch.Tensor, docs: torch.Tensor, scale: float) -> None:
        """Begin with the identifiers int64[n, 1] of documents float[n, D].

        The probability of a token is then softmax(scale <e, e_d>), e_d being the mean of its
        documents, times their number.
        """
        count = torch.bincount(ids[:, 0], minlength=self.V).to(docs)
        total = torch.zeros(self.V, self.D).to(docs).index_add_(0, ids[:, 0], docs)
        self.start(total[None] / count.clamp(min=1)[:, None], scale)
        self.bias.copy_(count.log().clamp(min=NOBODY))

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(id | e), float[B, 1, V], of embeddings float[B, D]; prefix: int64[B, 0]."""
        x = e * (self.D / self.unit) ** 0.5
        return (x @ self.vectors.T + self.bias).float().log_softmax(1)[:, None]

    def forward(self, e: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return float[B, 1, V] for identifiers int64[B, 1]."""
        return self.log_p(e, ids[:, :0])
