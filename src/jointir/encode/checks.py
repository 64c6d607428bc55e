"""What `jointir checkpoint` refuses: an encoder that later stages would embed with otherwise.

The last of the checks asks sentence-transformers itself: what was written must embed as the
original does.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from sentence_transformers.util import load_file_path
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jointir.basics.errors import InputError
from jointir.basics.progress import say

if TYPE_CHECKING:
    from jointir.encode.encoder import DualEncoder

WHERE = "encoder.checkpoint"
TOLERANCE = 1e-5  # of an embedding's length
CHOOSE = "Choose a model that is a transformer with pooling"
KNOWN = (Transformer, Pooling, Dense, Normalize)
CUSTOM = (
    "jointir runs no code of a checkpoint. Choose another model; or, where a class of transformers "
    "itself computes the same, delete auto_map from its configuration files"
)


def check_parts(model: SentenceTransformer, source: str) -> None:
    """Check that the first module is a transformer for texts, and that nothing wants its own code.

    source: the folder or hub id that the model was loaded from.

    Raises:
        InputError: the model has another first module, no tokenizer, or code of its own.
    """
    first = model[0]
    if type(first) is not Transformer:
        found = (
            f"{source!r} begins with the module {type(first).__name__}, which jointir does not know"
        )
        raise InputError(WHERE, found, CHOOSE)
    if "message" in first.modality_config or "text" not in first.modality_config:
        found = f"the Transformer of {source!r} reads {sorted(map(str, first.modality_config))}"
        remedy = "Choose a model that reads plain text; jointir knows no chat templates"
        raise InputError(WHERE, found, remedy)
    _check_tokenizer(first.tokenizer, first.model, source)
    if first.processing_kwargs:
        found = f"the tokenizer of {source!r} has settings of its own, {first.processing_kwargs}"
        raise InputError(WHERE, found, "Choose a model without processing_kwargs, or delete them")
    for what in _custom_code(model, source):
        raise InputError(WHERE, f"{source!r} wants {what}", CUSTOM)


def _check_tokenizer(
    tokenizer: PreTrainedTokenizerBase | None, transformer: PreTrainedModel, source: str
) -> None:
    # without a file, transformers makes a tokenizer that knows nothing but special tokens
    words = {} if tokenizer is None else tokenizer.get_vocab()
    words = {word: i for word, i in words.items() if i not in tokenizer.all_special_ids}
    if not words:
        remedy = "Put the tokenizer's files (tokenizer.json or its vocabulary) beside the weights"
        raise InputError(WHERE, f"{source!r} has no tokenizer", remedy)
    rows = getattr(transformer.config.get_text_config(), "vocab_size", None)
    if rows and max(words.values()) >= rows:
        found = f"the tokenizer of {source!r} has token {max(words.values())}, its model {rows}"
        raise InputError(WHERE, found, "Put the tokenizer that belongs to the weights beside them")


def _custom_code(model: SentenceTransformer, source: str) -> Iterator[str]:
    """Yield what a model names that is not in transformers, sentence-transformers or torch."""
    for module in model.modules():
        if isinstance(module, PreTrainedModel) and getattr(module.config, "auto_map", None):
            yield f"code of its own (auto_map {module.config.auto_map})"
    if auto_map := model.tokenizer.init_kwargs.get("auto_map"):
        yield f"a tokenizer with code of its own (auto_map {auto_map})"
    for entry in _read(source, "modules.json"):
        if entry["type"].endswith(".Dense"):
            told = dict(_read(source, "config.json", entry["path"]))
            name = told.get("activation_function") or "torch."
            if not name.startswith("torch."):  # sentence-transformers would take tanh instead
                yield f"a Dense module with code of its own (activation function {name})"


def _read(source: str, name: str, folder: str = "") -> list | dict:
    """Return a JSON file of a checkpoint that was just loaded, and so is on this disk."""
    if "/" not in source and not Path(source).is_dir():
        source = f"{SentenceTransformer.default_huggingface_organization}/{source}"
    cache = os.getenv("SENTENCE_TRANSFORMERS_HOME")
    path = load_file_path(source, name, folder, cache_folder=cache, local_files_only=True)
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else []


def positions(transformer: PreTrainedModel) -> int | None:
    """Return how many tokens a text can have, None where the model has no such limit."""
    most = getattr(transformer.config.get_text_config(), "max_position_embeddings", None)
    if not most or most < 0:
        return None
    for module in transformer.modules():
        # RoBERTa's family counts positions on from the padding token's number
        first = getattr(module, "padding_idx", None)
        table = getattr(module, "position_embeddings", None)
        if isinstance(first, int) and isinstance(table, torch.nn.Embedding):
            return most - first - 1
    return most


def check_lengths(model: SentenceTransformer, max_length: dict[str, int]) -> None:
    """Check that the model has a position for every token that is to be read.

    Raises:
        InputError: `max_length` of a kind is too large.
    """
    most = positions(model[0].model)
    for kind, length in max_length.items():
        if most is not None and length > most:
            found = f"{length} tokens, but the model has positions for {most}"
            raise InputError(f"encoder.{kind}_max_length", found, f"Set it to {most} at most")


def check_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: dict[str, str], max_length: dict[str, int]
) -> None:
    """Check that a prompt leaves room for at least one token of the text behind it.

    Raises:
        InputError: the prompt of a kind does not.
    """
    for kind, prompt in prompts.items():
        taken = len(tokenizer(prompt, verbose=False)["input_ids"]) if prompt else 0
        if taken >= max_length[kind]:
            found = f"{prompt!r} takes {taken} of the {max_length[kind]} tokens that are read"
            remedy = f"Shorten it, or raise encoder.{kind}_max_length above {taken}"
            raise InputError(f"encoder.{kind}_prompt", found, remedy)


def mend_padding(tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    """Give the tokenizer what batches need: a padding token, and padding behind the text.

    Padding is masked. Before the text it would move the positions of models such as GPT-2, so that
    an embedding would depend on the batch.

    Raises:
        InputError: there is no padding token and no end token either.
    """
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            found = f"the tokenizer of {source!r} has no padding token and no end token"
            raise InputError(WHERE, found, "Name a pad_token in its tokenizer_config.json")
        tokenizer.pad_token = tokenizer.eos_token
        say(f"encoder: no padding token, so its end token {tokenizer.eos_token!r} pads (masked)")
    if tokenizer.padding_side != "right":
        tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "right"  # saved, too
        say("encoder: texts are padded on the right, where padding moves no position")


def sample_texts(tokenizer: PreTrainedTokenizerBase, length: int) -> list[str]:
    """Return texts of unlike lengths in the tokenizer's own words; the last is over the limit."""
    words = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    drawn = np.random.default_rng(0).choice(words, 2 * length + 8)
    counts = (3, max(4, length // 2), len(drawn))
    return ["Inner Products", *(tokenizer.decode(drawn[:n].tolist()) for n in counts)]


def expected(
    model: SentenceTransformer, texts: list[str], kind: str, prompt: str | None, length: int
) -> np.ndarray:
    """Return float32[n, D]: what sentence-transformers' own encode_{kind} makes of n texts.

    One by one, so that no embedding depends on padding. prompt: None is the model's own.

    Raises:
        InputError: it cannot embed them.
    """
    model.max_seq_length = length
    encode = model.encode_query if kind == "query" else model.encode_document
    try:
        found = encode(texts, prompt=prompt, batch_size=1, show_progress_bar=False)
    except Exception as e:  # of whatever modules a model is made of
        told = f"sentence-transformers itself cannot embed a {kind} with it ({str(e)[:120]})"
        raise InputError(WHERE, told, CHOOSE) from e
    if not np.isfinite(found).all():
        raise InputError(WHERE, f"its embedding of a {kind} is not finite", "Check its weights")
    return found


def check_dimension(model: SentenceTransformer, right: dict[str, np.ndarray]) -> None:
    """Check that queries and documents have the D that the model says it has.

    right: of each kind of text float32[n, D], as `expected`.

    Raises:
        InputError: they do not.
    """
    dims, D = {kind: e.shape[-1] for kind, e in right.items()}, model.get_embedding_dimension()
    if set(dims.values()) != {D}:
        found = f"its embeddings have {dims} dimensions, where it says {D}"
        remedy = "Choose a model that embeds queries and documents in the same dimensions"
        raise InputError(WHERE, found, remedy)


@torch.inference_mode()
def check_embeddings(
    encoder: "DualEncoder", texts: list[str], kind: str, right: np.ndarray
) -> None:
    """Check that `encoder` embeds texts as float32[n, D] `right` has them, packed and padded.

    Raises:
        InputError: it does not, to TOLERANCE.
    """
    encoder.eval()
    tokens = encoder.tokenize(texts, kind)
    lengths = np.linalg.norm(right, axis=1, keepdims=True).clip(1e-12)
    for found in (encoder(tokens), encoder.padded(tokens)):
        error = np.abs(found.numpy() - right) / lengths if found.shape == right.shape else np.inf
        if not np.max(error) <= TOLERANCE:
            told = f"jointir does not know how to use {' and '.join(_unknown(encoder.model))}: "
            told += f"embeddings of a {kind} differ by {np.max(error):.1g} of their length"
            raise InputError(WHERE, f"{told} from sentence-transformers' own", CHOOSE)


def _unknown(model: SentenceTransformer) -> list[str]:
    """Return the modules that are not those of most encoders, else the kind of the transformer."""
    others = [f"its module {type(m).__name__}" for m in model if type(m) not in KNOWN]
    return others or [f"its Transformer of the kind {model[0].config.model_type!r}"]
