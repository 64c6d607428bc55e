"""Encoders as users bring them: each of another kind, small enough to be made by a test."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router
from sentence_transformers.sentence_transformer import modules
from tokenizers import processors
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
    T5EncoderModel,
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


def sentence_t5(folder: Path) -> Path:
    """Write one of the class of Sentence-T5 and GTR: T5's encoder, a layer without bias."""
    torch.manual_seed(3)
    raw = folder.with_name(f"{folder.name}-raw")
    T5EncoderModel(CONFIGS["t5"]).to(torch.float16).save_pretrained(raw)
    tokenizer().save_pretrained(raw)
    projection = Dense(D, 24, bias=False, activation_function=torch.nn.Identity())
    first = modules.Transformer(str(raw), model_args={"dtype": torch.float16})
    parts = [first, modules.Pooling(D), projection, modules.Normalize()]
    SentenceTransformer(modules=parts, device="cpu").half().save(str(folder))
    return folder


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


LEFT = {"padding_side": "left", "pad_token": "[PAD]"}


def causal(folder: Path, **options: object) -> Path:
    """Write a GPT-2; options: of its tokenizer, in place of an end token and no padding token."""
    transformer(folder, CONFIGS["gpt2"], without_padding())
    return edited(folder, "tokenizer_config.json", **options)


def last_of_causal(folder: Path) -> Path:
    """Write a causal model that pads on the left and reads the last token."""
    first = modules.Transformer(str(causal(folder.with_name("raw"), **LEFT)))
    SentenceTransformer(modules=[first, modules.Pooling(D, "lasttoken")]).save(str(folder))
    return folder


def sentence(folder: Path, *parts: torch.nn.Module) -> Path:
    """Write a sentence-transformers model of these modules."""
    SentenceTransformer(modules=list(parts), device="cpu").save(str(folder))
    return folder


def static(folder: Path) -> Path:
    """Write one of static embeddings."""
    words = without_padding()
    return sentence(folder, modules.StaticEmbedding(words, embedding_dim=D))


def without_tokenizer(folder: Path) -> Path:
    """Write a checkpoint without the files of its tokenizer."""
    transformer(folder)
    for path in folder.glob("token*"):
        path.unlink()
    return folder


def own_model(folder: Path) -> Path:
    """Write one whose model wants code of its own, though transformers knows its kind."""
    return edited(transformer(folder), "config.json", auto_map={"AutoModel": "mine.Model"})


def own_dense(folder: Path) -> Path:
    """Write one whose Dense module names an activation of its own."""
    with_modules(folder, modules.Pooling(D), dense(8))
    return edited(folder, "2_Dense/config.json", activation_function="mine.Activation")


def own_tokenizer(folder: Path) -> Path:
    """Write one whose tokenizer wants code of its own."""
    told = {"auto_map": {"AutoTokenizer": ["mine.Words", None]}}
    return edited(transformer(folder), "tokenizer_config.json", **told)


def own_module(folder: Path) -> Path:
    """Write one that lists a module of its own."""
    listed = (pooled(folder) / "modules.json").read_text()
    name = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    assert name in listed
    (folder / "modules.json").write_text(listed.replace(name, "mine.Pooling"))
    return folder


def own_kind(folder: Path) -> Path:
    """Write one of a kind that transformers does not know."""
    mine = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    return edited(transformer(folder), "config.json", auto_map=mine, model_type="mine")


def template(folder: Path) -> Path:
    """Write a plain causal model whose tokenizer has a chat template."""
    words = without_padding()
    words.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return transformer(folder, CONFIGS["qwen3"], words)


def with_types(folder: Path) -> Path:
    """Write a BERT whose tokenizer tells of every token that its type is 1."""
    words = tokenizer()
    shape = {"single": "[CLS]:1 $A:1 [SEP]:1", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(**shape)
    names = ["input_ids", "token_type_ids", "attention_mask"]
    transformer(folder, words=words)
    return edited(folder, "tokenizer_config.json", model_input_names=names)


def not_finite(folder: Path) -> Path:
    """Write one with a weight that is no number."""
    weights = load_file(transformer(folder) / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def without_end(folder: Path) -> Path:
    """Write a GPT-2 with neither a padding token nor an end token."""
    return causal(folder, eos_token=None)
