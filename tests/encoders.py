"""Encoders as users bring them: each of another kind, small enough to be made by a test."""

import json
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router
from sentence_transformers.sentence_transformer import modules
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
    XLNetConfig,
)

from tiny import SPECIAL, WORDS, D, tokenizer

POSITIONS = 40
SIZES = {"vocab_size": len(SPECIAL + WORDS), "hidden_size": D, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 2, "intermediate_size": 64, "initializer_range": 0.3}
BERT = BertConfig(**SIZES, max_position_embeddings=POSITIONS)
SHIFTED = {**SIZES, "max_position_embeddings": POSITIONS + 1, "pad_token_id": 0}
GPT2 = {"vocab_size": SIZES["vocab_size"], "n_positions": POSITIONS, "n_embd": D, "n_layer": 2}
GPT2 = GPT2Config(**GPT2, n_head=2, initializer_range=0.3, bos_token_id=2, eos_token_id=3)
MODERN = {**SIZES, "max_position_embeddings": POSITIONS, "initializer_cutoff_factor": 2.0}
MODERN = {k: v for k, v in MODERN.items() if k != "initializer_range"} | {"local_attention": 8}
QWEN = {**SIZES, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": POSITIONS}
T5 = {"vocab_size": SIZES["vocab_size"], "d_model": D, "d_kv": 16, "d_ff": 64, "num_layers": 2}
CONFIGS = {
    "bert": BERT,
    "roberta": RobertaConfig(**SHIFTED),
    "xlm-roberta": XLMRobertaConfig(**SHIFTED),
    "mpnet": MPNetConfig(**SHIFTED),
    "distilbert": DistilBertConfig(
        vocab_size=SIZES["vocab_size"], dim=D, n_layers=2, n_heads=2, hidden_dim=64
    ),
    "modernbert": ModernBertConfig(**MODERN, pad_token_id=0, cls_token_id=2, sep_token_id=3),
    "gpt2": GPT2,
    "qwen3": Qwen3Config(**QWEN),
    "t5": T5Config(**T5, num_heads=2, pad_token_id=0),
    "xlnet": XLNetConfig(
        vocab_size=SIZES["vocab_size"], d_model=D, n_layer=2, n_head=2, d_inner=64
    ),
}


def without_padding() -> PreTrainedTokenizerFast:
    """Return a tokenizer as GPT-2's: no padding token, an end token, nothing around a text."""
    raw = tokenizer().backend_tokenizer
    raw.post_processor = None
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]", eos_token="[SEP]")


def transformer(
    folder: Path,
    config: PreTrainedConfig = BERT,
    words: PreTrainedTokenizerFast | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write a plain transformers checkpoint of random weights."""
    torch.manual_seed(0)
    AutoModel.from_config(config).to(dtype).save_pretrained(folder)
    (words or tokenizer()).save_pretrained(folder)
    return folder


def with_modules(folder: Path, *parts: torch.nn.Module, **options: object) -> Path:
    """Write a sentence-transformers model: a BERT of random weights, then `parts`."""
    first = modules.Transformer(str(transformer(folder.with_name(f"{folder.name}-raw"))))
    SentenceTransformer(modules=[first, *parts], device="cpu", **options).save(str(folder))
    return folder


def pooled(folder: Path, mode: str = "mean", **options: object) -> Path:
    """Write one with pooling and normalization."""
    return with_modules(folder, modules.Pooling(D, mode), modules.Normalize(), **options)


def dense(width: int, factor: float | None = None, **options: object) -> Dense:
    """Return a Dense module of random weights, or one that multiplies by `factor`."""
    torch.manual_seed(1)
    module = Dense(D, width, bias=factor is None, activation_function=torch.nn.Tanh(), **options)
    if factor is not None:
        module.activation_function = torch.nn.Identity()
        module.linear.weight.data = factor * torch.eye(D)
    return module


def without_prompt(folder: Path, mode: str) -> Path:
    """Write one whose pooling leaves out the prompt."""
    pooling = modules.Pooling(D, mode, include_prompt=False)
    prompts = {"query": "query: w7 w8 ", "document": "passage: "}
    return with_modules(folder, pooling, prompts=prompts)


def router(first: bool, width: int = 8) -> list[torch.nn.Module]:
    """Return modules that treat queries and documents unlike, from the first on or at the end.

    width: D of documents, where it is 8 of queries.
    """
    if first:
        static = [[modules.StaticEmbedding(tokenizer(), embedding_dim=D)] for _ in range(2)]
        return [Router.for_query_document(*static)]
    torch.manual_seed(2)
    return [modules.Pooling(D), Router.for_query_document([Dense(D, 8)], [Dense(D, width)])]


def half(folder: Path, dtype: torch.dtype) -> Path:
    """Write one whose every file holds numbers of 16 bits."""
    model = SentenceTransformer(str(with_modules(folder, modules.Pooling(D), dense(8))))
    model.to(dtype).save(str(folder))
    return folder


def edited(folder: Path, name: str, **changes: object) -> Path:
    """Change keys of a JSON file in a checkpoint."""
    old = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(old | changes))
    return folder
