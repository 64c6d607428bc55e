"""A batch of texts in one row without padding, for a CPU, where every padded token costs time.

Linear layers, norms and activations look at a token alone, so the texts of a batch can follow each
other in one row. Only attention must know where a text ends: there, texts of equal length are a
matrix of their own, which needs no mask either.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

NAME = "jointir-packed"
TRANSFORMERS = ("bert", "roberta", "xlm-roberta")  # positions learned, attention plain and whole
AFTER = (Pooling, MultiVectorMask, Dense, Normalize)  # take packed texts, or look at no neighbour


def can_pack(model: SentenceTransformer) -> bool:
    """Whether `embed_packed` knows every part of the model; other models want padded texts."""
    transformer = model.transformers_model
    if transformer is None or transformer.config.model_type not in TRANSFORMERS:
        return False
    return not transformer.config.is_decoder and all(isinstance(m, AFTER) for m in list(model)[1:])


def embed_packed(
    model: SentenceTransformer,
    tokens: list[list[int]],
    outputs: list[str],
    prompt_length: int = 0,
    **options: str,
) -> list[torch.Tensor]:
    """Return the named outputs for the token ids of B texts, each a tensor of [B, ...].

    As of padded texts, and in the order of `tokens`.

    model: one that `can_pack`. prompt_length: a text's first tokens, which pooling leaves out.
    options: such as `task`, for the modules after the transformer.
    """
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    lengths = [len(tokens[i]) for i in order]
    # the name by which sentence-transformers knows where packed texts end
    features = {"cu_seq_lens_q": torch.tensor([0, *lengths], device=model.device).cumsum(0)}
    flat = [token for i in order for token in tokens[i]]
    features["input_ids"] = torch.tensor([flat], device=model.device)  # [1, T]
    features["token_embeddings"] = _transformed(model, features["input_ids"], lengths)
    if prompt_length:
        features["prompt_length"] = prompt_length
    for module in list(model)[1:]:
        known = getattr(module, "forward_kwargs", ())
        features = module(features, **{k: v for k, v in options.items() if k in known})
    back = torch.tensor(order).argsort().to(model.device)
    return [features[name][back] for name in outputs]


def _transformed(model: SentenceTransformer, ids: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Return float[1, T, D] for int64[1, T], texts of the given, ascending lengths."""
    transformer = model.transformers_model
    runs = [(len(list(same)), length) for length, same in groupby(lengths)]
    positions = torch.cat([torch.arange(length).repeat(n) for n, length in runs])
    positions = (positions + _first_position(transformer)).to(ids.device).unsqueeze(0)
    with _attention(transformer):
        return transformer(ids, position_ids=positions, runs=runs).last_hidden_state


def _first_position(transformer: PreTrainedModel) -> int:
    """Return the position of a text's first token: RoBERTa's family counts on from the padding."""
    config = transformer.config
    return 0 if config.model_type == "bert" else config.pad_token_id + 1


@contextmanager
def _attention(transformer: PreTrainedModel) -> Iterator[None]:
    """Have the transformer attend by `attend_packed` for the block."""
    before = transformer.config._attn_implementation
    transformer.set_attn_implementation(NAME)
    try:
        yield
    finally:
        transformer.set_attn_implementation(before)


def attend_packed(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    dropout: float = 0.0,
    scaling: float | None = None,
    runs: list[tuple[int, int]] = (),
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """Attend within each text: float[1, H, T, d] three times to float[1, T, H, d].

    runs: (number of texts, tokens of each), in the order in which the T tokens follow. In training
    float32, whatever they are: the gradient in bfloat16 takes a CPU six times as long.
    """
    H, d, dtype = query.shape[1], query.shape[3], query.dtype
    if torch.is_grad_enabled():
        query, key, value = (x.float() for x in (query, key, value))
    sizes = [n * length for n, length in runs]
    # split, not slices: the gradient of a slice is as long as the whole
    parts = [x.transpose(1, 2).split(sizes, 1) for x in (query, key, value)]
    attended = []
    with torch.autocast(query.device.type, enabled=False):
        for (n, length), *run in zip(runs, *parts, strict=True):
            q, k, v = (x.view(n, length, H, d).transpose(1, 2) for x in run)
            out = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
            attended.append(out.transpose(1, 2).reshape(1, n * length, H, d))
    return torch.cat(attended, 1).to(dtype), None


AttentionInterface.register(NAME, attend_packed)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
