"""doc2query-MiniLM: a frozen encoder, and a small decoder that writes and copies words.

It stands in for docT5query (Nogueira and Lin 2019), whose T5 our machines lack. The decoder is
BART's, trained from nothing; its pointer is that of See et al. 2017, section 2.2, with a head of
its own in place of their only attention. What differs from them: word vectors are those of the
encoder and stay as they are, behind a learned map; and there is no coverage, since a query is
short.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BartConfig, Cache
from transformers.models.bart.modeling_bart import BartDecoder

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, read_json, write_json
from jointir.basics.readers import read_safetensors
from jointir.encode.encoder import DualEncoder
from jointir.expand.copying import Places, mixture
from jointir.expand.sources import Source

SETTINGS, WEIGHTS = "generator.json", "generator.safetensors"
DROPOUT = 0.1
LEAST = 1e-9  # of a probability, before its logarithm


class Pointed(NamedTuple):
    """Of B sources: memory, keys: float[B, T, D]. hidden: bool[B, T], what cannot be copied.

    places: int64[B, T], of the tokens in the extended vocabulary.
    """

    memory: torch.Tensor
    keys: torch.Tensor
    hidden: torch.Tensor
    places: torch.Tensor

    def of(self, rows: torch.Tensor) -> "Pointed":
        """Return those of the sources int64[R]."""
        return Pointed(*(part[rows] for part in self))


class Generator(nn.Module):
    """Writes the tokens of a query, one after the other, for the states of a document's tokens."""

    def __init__(self, encoder: DualEncoder, vocabulary: np.ndarray, layers: int):
        """vocabulary: int64[V], as `copying.written` returns it.

        Raises:
            InputError: the encoder's tokenizer has no tokens for the begin and the end of a text.
        """
        super().__init__()
        self.encoder, self.layers = encoder.requires_grad_(False), layers
        self.bos, self.eos = ends(encoder)
        self._words = encoder.model.transformers_model.get_input_embeddings()
        tokens, E = self._words.weight.shape
        D = encoder.model[0].get_embedding_dimension()
        self.register_buffer("vocabulary", torch.from_numpy(vocabulary), persistent=False)
        self.places = Places(self.vocabulary, tokens)
        self.read, self.norm = nn.Linear(D + E, D), nn.LayerNorm(D)
        self.input, self.output = nn.Linear(E, D), nn.Linear(D, E)
        self.bias = nn.Parameter(torch.zeros(len(vocabulary)))
        self.asked, self.offered = nn.Linear(D, D), nn.Linear(D, D)
        self.gate = nn.Linear(3 * D, 1)
        self.decoder = BartDecoder(_config(D, layers, encoder.max_length["query"]))
        self.decoder.embed_tokens.requires_grad_(False)  # of no use: words come as vectors

    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the input of the decoder, float[..., D], for tokens int64[...]."""
        return self.input(self._words(tokens))

    def memory(self, source: Source) -> torch.Tensor:
        """Return float[B, T, D], what the decoder attends to: states and words of a source."""
        both = torch.cat([source.states, self._words(source.tokens)], 2)
        return self.norm(self.read(both))

    def decoded(
        self, x: torch.Tensor, memory: torch.Tensor, valid: torch.Tensor, past: Cache | None = None
    ) -> tuple[torch.Tensor, Cache | None]:
        """Return h float[B, t, D] after inputs x float[B, t, D]; with `past`, its cache grows."""
        out = self.decoder(
            inputs_embeds=x,
            encoder_hidden_states=memory,
            encoder_attention_mask=valid.long(),
            past_key_values=past,
            use_cache=past is not None,
        )
        return out.last_hidden_state, out.past_key_values

    def pointed(self, memory: torch.Tensor, source: Source) -> Pointed:
        """Return what copying needs of a source, whose memory is float[B, T, D]."""
        special = torch.isin(source.tokens, self._special())
        places = self.places.of_source(source.tokens.cpu()).to(memory.device)
        return Pointed(memory, self.offered(memory), special | ~source.valid, places)

    def distribution(self, h: torch.Tensor, x: torch.Tensor, source: Pointed) -> torch.Tensor:
        """Return P(w), float[B, t, V + T], of the token after each state h of inputs x.

        p_gen is that of eq. 8: of the context, the state and the input. All three are float32, also
        of products in bfloat16.
        """
        vectors = self._words(self.vocabulary.clamp(min=0))  # [V, E]
        logits = self.output(h) @ vectors.T + self.bias
        apart = self.asked(h) @ source.keys.transpose(1, 2) / h.shape[2] ** 0.5  # [B, t, T]
        least = torch.finfo(torch.float32).min
        a = apart.float().masked_fill(source.hidden[:, None], least).softmax(2)
        p_gen = self.gate(torch.cat([a @ source.memory, h, x], 2)).float().sigmoid()
        return mixture(logits.float().softmax(2), a, p_gen, source.places)

    def _special(self) -> torch.Tensor:
        return torch.tensor(self.encoder.model.tokenizer.all_special_ids, device=self.bias.device)

    def log_p(self, source: Source, queries: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log P of each token of the queries and of their ends, float[B, t], and its mask.

        queries: of each its tokens, without special ones. A token that can neither be written nor
        copied counts as OTHER.
        """
        t = max(map(len, queries)) + 1
        target = torch.tensor([[*q, self.eos] + [self.eos] * (t - 1 - len(q)) for q in queries])
        counts = torch.arange(t) <= torch.tensor([len(q) for q in queries])[:, None]
        device = self.bias.device
        before = torch.cat([torch.full((len(queries), 1), self.bos), target[:, :-1]], 1).to(device)
        places = self.places.of_target(target, source.tokens.cpu()).to(device)
        memory, x = self.memory(source), self.words(before)
        h = self.decoded(x, memory, source.valid)[0]
        p = self.distribution(h, x, self.pointed(memory, source))
        p = p.gather(2, places[..., None])[..., 0]
        return p.clamp(min=LEAST).log(), counts.to(device)

    def save(self, out: Path) -> None:
        """Write a folder: `encoder/`, and the rest as JSON and safetensors."""
        with atomic(out) as scratch:
            self.encoder.save(scratch / "encoder")
            weights = self.state_dict().items()
            own = {n: t for n, t in weights if not n.startswith(("encoder.", "_words."))}
            own = {n: t.contiguous().clone() for n, t in own.items()}
            save_file(own | {"vocabulary": self.vocabulary.contiguous()}, scratch / WEIGHTS)
            write_json(scratch / SETTINGS, {"layers": self.layers})

    @classmethod
    def load(cls, folder: Path) -> "Generator":
        """Load what `save` wrote.

        Raises:
            InputError: the folder holds no generator.
        """
        if not (folder / SETTINGS).is_file():
            raise InputError(folder, f"holds no {SETTINGS}", "Make it with `jointir doc2query`")
        weights = read_safetensors(folder / WEIGHTS)
        encoder = DualEncoder.load(folder / "encoder")
        vocabulary = weights.pop("vocabulary").numpy()
        found = cls(encoder, vocabulary, read_json(folder / SETTINGS)["layers"])
        found.load_state_dict(weights, strict=False)
        return found.eval()


def ends(encoder: DualEncoder) -> tuple[int, int]:
    """Return the tokens before and after every text.

    Raises:
        InputError: the encoder's tokenizer has none.
    """
    known = encoder.model.tokenizer
    bos = known.bos_token_id if known.cls_token_id is None else known.cls_token_id
    eos = known.eos_token_id if known.sep_token_id is None else known.sep_token_id
    if bos is None or eos is None:
        found = "the tokenizer has no tokens for the begin and the end of a text"
        raise InputError("encoder.checkpoint", found, "Name a generator in expand.checkpoint")
    return bos, eos


def _config(D: int, layers: int, length: int) -> BartConfig:
    return BartConfig(
        vocab_size=1,
        max_position_embeddings=length + 1,
        d_model=D,
        decoder_layers=layers,
        decoder_attention_heads=max(1, D // 64),
        decoder_ffn_dim=4 * D,
        dropout=DROPOUT,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        decoder_start_token_id=None,
        forced_eos_token_id=None,
    )
