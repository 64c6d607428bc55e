"""The decoders of identifiers: the paper's, and which kinds there are."""

import torch
from torch import nn
from transformers import BartConfig
from transformers.models.bart.modeling_bart import BartDecoder

from jointir.basics.errors import InputError
from jointir.generative.linear import LinearDecoder
from jointir.generative.prefix import PrefixDecoder
from jointir.generative.sets import SetDecoder
from jointir.methods.asi import DECODERS


class BartIdDecoder(nn.Module):
    """The paper's, trained from scratch (ASI++, section 3.1).

    BART's decoder over L x V + 2 tokens: position i has [i V, (i + 1) V), then bos and eos.

    Every identifier is L tokens long and position i only ever holds a token of its own range, so
    the softmax runs over that range: no probability is lost on what cannot be, and eos is never
    decoded. The vocabulary keeps it for the paper's layout.

    The decoder reads the dense representation e alone (the "representation bottleneck" of section
    2.3), not the encoder's token states: what it learns from documents, whose e is at hand, then
    holds for queries too.
    """

    def __init__(self, D: int, L: int, V: int, layers: int, unit: float = 1.0):
        """unit: the mean squared norm of the embeddings that it reads."""
        super().__init__()
        self.L, self.V, self.bos, self.unit = L, V, L * V, unit
        heads = max(1, D // 64)
        config = BartConfig(
            vocab_size=L * V + 2,
            max_position_embeddings=L + 1,
            d_model=D,
            decoder_layers=layers,
            decoder_attention_heads=heads,
            decoder_ffn_dim=4 * D,
            dropout=0.0,  # slowed it, from nothing and for few steps: reports/LOG.md
            pad_token_id=L * V + 1,
            bos_token_id=L * V,
            eos_token_id=L * V + 1,
        )
        self.layers = BartDecoder(config)
        self._read_e_as_it_is()

    @torch.no_grad()
    def _read_e_as_it_is(self) -> None:
        """Let cross-attention begin as the identity: a token's logit is then <e, its vector>.

        There is one state to attend to, so that e reaches the output through value and output
        projections alone. From random ones the decoder learned slower (reports/LOG.md).
        """
        for layer in self.layers.layers:
            nn.init.eye_(layer.encoder_attn.v_proj.weight)
            nn.init.eye_(layer.encoder_attn.out_proj.weight)

    @torch.no_grad()
    def start(self, books: torch.Tensor) -> None:
        """Begin with the codebooks float[L, V, D] of residual codes as the tokens' vectors."""
        self.layers.embed_tokens.weight[: self.L * self.V] = books.flatten(0, 1) / self.unit**0.5

    def begin(self, ids: torch.Tensor, docs: torch.Tensor, scale: float) -> None:
        """Go on from the joint training, whatever the final identifiers are."""

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(id_i | id_<i, e), float[B, t + 1, V], after each part of a prefix.

        e: float[B, D], embeddings. prefix: int64[B, t], t < L, tokens in [0, V).
        """
        B, t = prefix.shape
        offsets = self.V * torch.arange(t, device=prefix.device)
        tokens = torch.cat([prefix.new_full((B, 1), self.bos), prefix + offsets], 1)
        # fresh layers want components of about 1; those of embeddings of length 1 are 1/sqrt(D)
        state = e[:, None] * (e.shape[1] / self.unit) ** 0.5  # [B, 1, D]
        hidden = self.layers(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            encoder_hidden_states=state,
            encoder_attention_mask=tokens.new_ones(B, 1),
            use_cache=False,
        ).last_hidden_state  # [B, t + 1, D]
        vocabulary = self.layers.embed_tokens.weight[: self.L * self.V]  # tied, as in BART
        own = vocabulary.view(self.L, self.V, -1)[: t + 1]
        # in float32 under autocast too: the eight bits of bfloat16 are few for a log-probability
        return torch.einsum("btd,tvd->btv", hidden, own).float().log_softmax(2)

    def forward(self, e: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return float[B, L, V] for whole identifiers int64[B, L]: teacher forcing."""
        return self.log_p(e, ids[:, :-1])


Decoder = PrefixDecoder | BartIdDecoder | LinearDecoder | SetDecoder


def make_decoder(
    kind: str, D: int, L: int, V: int, layers: int, width: int, K: int, unit: float = 1.0
) -> Decoder:
    """Return a fresh decoder of a kind: of `prefix` a width and K prototypes, of `bart` layers.

    Raises:
        InputError: the kind is unknown, or `linear` or `sets` with an L that is not 1.
    """
    if kind == "prefix":
        return PrefixDecoder(D, L, V, width, K, unit)
    if kind == "bart":
        return BartIdDecoder(D, L, V, layers, unit)
    if kind == "linear":
        return LinearDecoder(D, L, V, unit)
    if kind == "sets":
        return SetDecoder(D, L, V, unit)
    raise InputError("asi.decoder", f"{kind!r} is unknown", f"Choose one of {DECODERS}")
