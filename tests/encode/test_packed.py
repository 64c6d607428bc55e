"""Packed texts have the embeddings and gradients of padded ones, or are padded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import (
    AutoModel,
    BertConfig,
    MPNetConfig,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from jointir.encode import encoder as encoder_module
from jointir.encode import packed as packed_module
from jointir.encode.encoder import DualEncoder
from jointir.encode.packed import can_pack, embed_packed
from tiny import LENGTHS, save_encoder, tokenizer


def gradients(model: DualEncoder, tokens: list[list[int]]) -> dict[str, np.ndarray]:
    """Return the gradients of a function of the embeddings, which are those of a batch."""
    model.zero_grad()
    embedded = model(tokens)  # [B, D]
    (embedded * torch.linspace(-1, 1, embedded.numel()).view_as(embedded)).sum().backward()
    return {
        name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None
    }


def test_packed_texts_have_the_embeddings_and_gradients_of_padded_ones(tmp_path, monkeypatch):
    model = DualEncoder.load(save_encoder(tmp_path / "encoder")).eval()
    texts = [" ".join(f"w{3 * i + j}" for j in range(1 + i % 12)) for i in range(30)]
    tokens = model.tokenize(texts, "document")
    packed, found = model(tokens), gradients(model, tokens)
    monkeypatch.setattr(encoder_module, "can_pack", lambda model: False)
    torch.testing.assert_close(packed, model(tokens), atol=1e-6, rtol=1e-5)
    padded = gradients(model, tokens)
    assert found.keys() == padded.keys()
    for name, gradient in padded.items():
        np.testing.assert_allclose(found[name], gradient, atol=2e-5, rtol=1e-4, err_msg=name)
    rows = np.flatnonzero(found["model.0.model.embeddings.word_embeddings.weight"].any(axis=1))
    assert set(rows) == {i for text in tokens for i in text}


SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 206}
SIZES |= {"num_attention_heads": 2, "max_position_embeddings": 40, "initializer_range": 0.3}


def encoder_of(config: PreTrainedConfig, folder: Path, pooling: str) -> DualEncoder:
    """Return an encoder whose transformer has random weights, of the configuration's kind."""
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    parts = [modules.Transformer(str(folder)), modules.Pooling(32, pooling)]
    return DualEncoder(SentenceTransformer(modules=parts, device="cpu"), LENGTHS).eval()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", [BertConfig, RobertaConfig, XLMRobertaConfig])
def test_every_kind_that_packs_embeds_as_sentence_transformers_does(kind, pooling, tmp_path):
    model = encoder_of(kind(**SIZES, pad_token_id=0), tmp_path / "raw", pooling)
    assert can_pack(model.model)
    texts = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "w3 w2 w1", "w4 w5"]
    tokens = model.tokenize(texts, "document")
    (found,) = embed_packed(model.model, tokens, ["sentence_embedding"])
    expected = model.model.encode(texts, convert_to_tensor=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert model.model.transformers_model.config._attn_implementation == "sdpa"


def test_encoders_of_other_kinds_are_padded(tmp_path):
    sizes = {k: v for k, v in SIZES.items() if k != "initializer_range"}
    other = encoder_of(MPNetConfig(**sizes, pad_token_id=0), tmp_path / "mpnet", "mean")
    bert = encoder_of(BertConfig(**SIZES, pad_token_id=0), tmp_path / "bert", "mean")
    static = SentenceTransformer(modules=[modules.StaticEmbedding(tokenizer(), embedding_dim=4)])
    assert not can_pack(other.model), "attention adds a bias for each distance"
    assert not can_pack(static), "no transformer"
    bert.model.append(modules.Dropout(0.1))
    assert not can_pack(bert.model), "a module that is not known to take packed texts"
    tokens = other.tokenize(["w1 w2 w3", "w4"], "document")
    expected = torch.cat([other([text]) for text in tokens])
    torch.testing.assert_close(other(tokens), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("grad", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_attention_in_training_is_float32_under_autocast(tmp_path, monkeypatch, grad, dtype):
    model = DualEncoder.load(save_encoder(tmp_path / "encoder")).eval()
    attend, seen = packed_module.scaled_dot_product_attention, set()

    def recorded(q: torch.Tensor, *rest: torch.Tensor, **options: object) -> torch.Tensor:
        out = attend(q, *rest, **options)
        seen.update({q.dtype, out.dtype})
        return out

    monkeypatch.setattr(packed_module, "scaled_dot_product_attention", recorded)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(grad):
        model(model.tokenize(["w1 w2", "w3 w4 w5"], "query"))
    assert seen == {dtype}
