"""Encoders of every kind embed as sentence-transformers has them, or `checkpoint` refuses them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import BertConfig, T5EncoderModel

from conftest import ROOT
from encoders import (
    BERT,
    CONFIGS,
    LEFT,
    causal,
    dense,
    edited,
    half,
    last_of_causal,
    not_finite,
    own_dense,
    own_kind,
    own_model,
    own_module,
    own_tokenizer,
    pooled,
    router,
    sentence,
    sentence_t5,
    static,
    template,
    transformer,
    with_modules,
    with_types,
    without_end,
    without_prompt,
    without_tokenizer,
)
from jointir.basics.errors import InputError
from jointir.basics.files import read_json
from jointir.encode import encoder as encoder_module
from jointir.encode.embed import embed, embed_texts
from jointir.encode.encoder import DualEncoder, checkpoint
from jointir.retrievers import star as star_module
from jointir.retrievers.colbert import colbert
from jointir.retrievers.late import LateInteraction
from tiny import D, flat, make

LENGTHS = {"query": 12, "document": 24}
HUB = {"sentence-t5": "sentence-t5-base", "gtr": "gtr-t5-base"}
LONG = " ".join(f"w{i}" for i in range(60))
TEXTS = ["w1 w2 w3", "w9", "w5 w6 w7 w8 w9 w3 w2 w1", LONG, "w3 w2 w1"]
E5 = {"query": "query: ", "passage": "passage: "}
SAID = {"query": "query: w9 ", "document": "passage: w7 "}
AS_ANY = {"document": "passage: ", "retrieval": "query: "}


# name: what writes the model, its D, and the options of `checkpoint`
KINDS = {kind: (lambda f, kind=kind: transformer(f, CONFIGS[kind]), D, {}) for kind in CONFIGS}
del KINDS["gpt2"]
POOLINGS = ("cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
KINDS |= {mode: (lambda f, mode=mode: pooled(f, mode), D, {}) for mode in POOLINGS}
KINDS |= {
    f"{mode} without prompt": (lambda f, mode=mode: without_prompt(f, mode), D, {})
    for mode in ("mean", *POOLINGS)
}
KINDS |= {
    "two poolings": (lambda f: with_modules(f, modules.Pooling(D, ("cls", "mean"))), 2 * D, {}),
    "dense": (lambda f: with_modules(f, modules.Pooling(D), dense(8)), 8, {}),
    "dense of tokens": (
        lambda f: with_modules(
            f, dense(8, module_input_name="token_embeddings"), modules.Pooling(8)
        ),
        8,
        {},
    ),
    "layer norm": (lambda f: with_modules(f, modules.Pooling(D), modules.LayerNorm(D)), D, {}),
    "dropout": (lambda f: with_modules(f, modules.Pooling(D), modules.Dropout(0.3)), D, {}),
    "truncated": (lambda f: pooled(f, truncate_dim=16), 16, {}),
    "router after pooling": (lambda f: with_modules(f, *router(False)), 8, {}),
    "own prompts": (lambda f: pooled(f, prompts={"query": "query: "}), D, {}),
    "e5's prompts": (lambda f: pooled(f, prompts=E5), D, {}),
    "prompts given": (lambda f: pooled(f, prompts=E5), D, SAID),
    "prompts turned off": (lambda f: pooled(f, prompts=SAID), D, {"query": "", "document": ""}),
    "one prompt given": (lambda f: pooled(f, prompts=SAID), D, {"document": "w3 "}),
    "another default": (
        lambda f: pooled(f, prompts=AS_ANY, default_prompt_name="retrieval"),
        D,
        {},
    ),
    "given without prompt": (lambda f: without_prompt(f, "mean"), D, SAID),
    "bfloat16": (lambda f: half(f, torch.bfloat16), 8, {}),
    "float16": (lambda f: half(f, torch.float16), 8, {}),
    "sentence-t5": (sentence_t5, 24, {}),
    "no padding token": (causal, D, {}),
    "padding on the left": (lambda f: causal(f, **LEFT), D, {}),
    "last token of a causal model": (last_of_causal, D, {}),
    "lower case": (
        lambda f: edited(pooled(f), "sentence_bert_config.json", do_lower_case=True),
        D,
        {},
    ),
}


def bring(source: Path, out: Path, prompts: dict[str, str] | None = None) -> DualEncoder:
    named = {f"{kind}_prompt": prompt for kind, prompt in (prompts or {}).items()}
    checkpoint(str(source), out, *LENGTHS.values(), **named)
    return DualEncoder.load(out).eval()


def original(source: Path) -> SentenceTransformer:
    model = SentenceTransformer(str(source), device="cpu", model_kwargs={"dtype": torch.float32})
    if model.tokenizer.pad_token is None:
        model.tokenizer.pad_token = model.tokenizer.eos_token
    return model


def encode(model: SentenceTransformer, kind: str, **options: object) -> np.ndarray:
    own = model.encode_query if kind == "query" else model.encode_document
    return own(TEXTS, show_progress_bar=False, **options)


def near(found: np.ndarray, right: np.ndarray) -> None:
    lengths = np.linalg.norm(right, axis=1, keepdims=True)
    np.testing.assert_allclose(found / lengths, right / lengths, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", KINDS)
def test_an_encoder_embeds_as_its_original(name, tmp_path, monkeypatch):
    write, dim, prompts = KINDS[name]
    source = write(tmp_path / "source")
    model, plain = bring(source, tmp_path / "out", prompts), original(source)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert read_json(tmp_path / "out" / "jointir.json") == {"max_length": LENGTHS, "dim": dim}
    for kind, length in LENGTHS.items():
        plain.max_seq_length = length
        right = encode(plain, kind, prompt=prompts.get(kind), batch_size=1)
        assert right.shape == (len(TEXTS), dim)
        assert np.abs(right[0] - right[1]).max() > 1e-3, "texts differ"
        near(embed_texts(model, TEXTS, kind, 4096, False), right)
        with monkeypatch.context() as patch:
            patch.setattr(encoder_module, "can_pack", lambda model: False)
            near(embed_texts(model, TEXTS, kind, 4096, False), right)
        for saved in LENGTHS:  # whatever it was saved for, the two methods are right
            model.save(tmp_path / saved, saved)
            exported = SentenceTransformer(str(tmp_path / saved), device="cpu")
            assert exported.dtype == torch.float32
            near(encode(exported, kind), right)
        exported = SentenceTransformer(str(tmp_path / kind), device="cpu")
        if name != "router after pooling":  # which plain encode refuses without a task
            near(exported.encode(TEXTS), right)


@pytest.mark.parametrize("kind", LENGTHS)
def test_readmes_lines_search_as_we_do(tmp_path, kind):
    """Section "Use the index elsewhere": faiss, and plain encode of the exported encoder."""
    model = bring(pooled(tmp_path / "source"), tmp_path / "out", SAID)
    index = faiss.IndexFlatIP(D)
    index.add(embed_texts(model, [f"w{i} w{i + 1}" for i in range(50)], "document", 4096, False))
    model.save(tmp_path / "exported", kind)
    encoder = SentenceTransformer(str(tmp_path / "exported"))
    assert encoder.default_prompt_name == kind
    found, right = encoder.encode(TEXTS), embed_texts(model, TEXTS, kind, 4096, False)
    near(found, right)
    assert np.array_equal(index.search(found, 5)[1], index.search(right, 5)[1])


# what is brought, the prompts given, and what is said
TOLD = [
    ({"prompts": SAID}, {"query": "w3 "}, "query_prompt: 'w3 ' in place of the model's own"),
    ({"prompts": SAID}, {"document": ""}, "document_prompt: '' in place of the model's own"),
    ({"prompts": E5}, {}, "the model's prompts ['passage'] are not used: encode_query"),
    ({"prompts": AS_ANY, "default_prompt_name": "retrieval"}, {}, "['retrieval'] are not used"),
    ({}, {}, f"embeddings of D = {D} dimensions, of length 1"),
    ({"truncate_dim": 8}, {}, "embeddings of D = 8 dimensions, not normalized"),
    ({"truncate_dim": 8}, {}, "rank by inner product, its similarity_fn_name is 'cosine'"),
    ({"similarity_fn_name": "manhattan"}, {}, "rank by inner product, its similarity_fn_name is"),
    (causal, {}, "no padding token, so its end token '[SEP]' pads"),
    (last_of_causal, {}, "texts are padded on the right"),
]


@pytest.mark.parametrize(("brought", "given", "words"), TOLD)
def test_what_the_user_should_know_is_said(tmp_path, capsys, brought, given, words):
    source = tmp_path / "source"
    pooled(source, **brought) if isinstance(brought, dict) else brought(source)
    bring(source, tmp_path / "out", given)
    assert words in capsys.readouterr().err


def test_nothing_is_said_of_prompts_that_are_used(tmp_path, capsys):
    bring(pooled(tmp_path / "source", prompts=SAID), tmp_path / "out")
    told = capsys.readouterr().err
    assert "not used" not in told and "in place of" not in told and "similarity" not in told


LONG_PROMPT = {"query": "w1 " * 10}
REFUSED: dict[str, tuple[Callable[[Path], Path], dict, str]] = {
    "static": (static, {}, r"begins with the module StaticEmbedding, which jointir does not know"),
    "router": (lambda f: sentence(f, *router(True)), {}, r"begins with the module Router"),
    "bag of words": (
        lambda f: sentence(f, modules.BoW(["w1", "w2"])),
        {},
        r"begins with the module BoW",
    ),
    "dimensions that differ": (
        lambda f: with_modules(f, *router(False, 16)),
        {},
        r"have \{'query': 8, 'document': 16\} dimensions",
    ),
    "no pooling": (with_modules, {}, r"sentence-transformers itself cannot embed a query with it"),
    "not finite": (not_finite, {}, r"its embedding of a query is not finite"),
    "settings of the tokenizer": (
        lambda f: edited(
            pooled(f), "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 4}}
        ),
        {},
        r"settings of its own, \{'text'",
    ),
    "types of tokens": (
        with_types,
        {},
        r"does not know how to use its Transformer of the kind 'bert': .* differ by .* of their",
    ),
    "words of another model": (
        lambda f: transformer(f, BertConfig.from_dict(BERT.to_dict() | {"vocab_size": 90})),
        {},
        r"has token 205, its model 90",
    ),
    "no tokenizer": (without_tokenizer, {}, r"has no tokenizer\. Put the tokenizer's files"),
    "code of a model": (own_model, {}, r"wants code of its own \(auto_map .*mine\.Model"),
    "code of a kind": (own_kind, {}, r"wants code of its own\. jointir runs no code"),
    "code of a tokenizer": (own_tokenizer, {}, r"wants a tokenizer with code of its own"),
    "code of a module": (own_module, {}, r"wants code of its own\. jointir runs no code"),
    "code of an activation": (own_dense, {}, r"a Dense module .*mine\.Activation"),
    "chat template": (template, {}, r"reads \[.*message.*\].*jointir knows no chat templates"),
    "nothing to pad with": (without_end, {}, r"no padding token and no end token"),
    "long prompt": (
        pooled,
        {"prompts": LONG_PROMPT},
        r"query_prompt: 'w1 .*takes 12 of the 12 tokens.*query_max_length above 12",
    ),
    "its own long prompt": (
        lambda f: pooled(f, prompts=LONG_PROMPT),
        {},
        r"query_prompt: 'w1 .*takes 12 of the 12 tokens",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_exactly_is_refused(name, tmp_path):
    write, options, words = REFUSED[name]
    source = write(tmp_path / "source")
    with pytest.raises(InputError, match=rf"(?s)^encoder\..*{words}"):
        bring(source, tmp_path / "out", **options)
    assert not [p for p in tmp_path.iterdir() if "out" in p.name]


@pytest.mark.parametrize(
    ("kind", "most"), [("bert", 40), ("roberta", 40), ("xlm-roberta", 40), ("modernbert", 40)]
)
def test_lengths_end_where_positions_do(kind, most, tmp_path):
    source = transformer(tmp_path / "source", CONFIGS[kind])
    words = rf"^encoder\.document_max_length: {most + 1} tokens, .* positions for {most}\. Set it"
    with pytest.raises(InputError, match=words):
        checkpoint(str(source), tmp_path / "out", 8, most + 1)
    checkpoint(str(source), tmp_path / "out", 8, most)
    assert (
        not DualEncoder.load(tmp_path / "out")(
            DualEncoder.load(tmp_path / "out").tokenize([LONG], "document")
        )
        .isnan()
        .any()
    )


@pytest.mark.parametrize("name", ["sentence-t5", "gtr"])
def test_the_presets_of_t5_take_a_model_of_their_class(name, tmp_path):
    preset = yaml.safe_load((ROOT / f"params/presets/{name}.yaml").read_text())["encoder"]
    assert preset.pop("checkpoint") == f"sentence-transformers/{HUB[name]}"
    source = sentence_t5(tmp_path / "source")
    checkpoint(str(source), tmp_path / "out", **preset)
    model, plain = DualEncoder.load(tmp_path / "out").eval(), original(source)
    assert model.normalized and type(model.model[0].model) is T5EncoderModel
    for kind in LENGTHS:
        plain.max_seq_length = preset[f"{kind}_max_length"]
        near(embed_texts(model, TEXTS, kind, 4096, False), encode(plain, kind, batch_size=1))


def test_dropout_can_be_turned_off_in_modules_too(tmp_path):
    source = with_modules(tmp_path / "source", modules.Pooling(D), modules.Dropout(0.3))
    for kept in (True, False):
        checkpoint(str(source), tmp_path / "out", 8, 8, dropout=kept)
        model = DualEncoder.load(tmp_path / "out").train()
        rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
        assert rates == ({0.1, 0.3} if kept else {0.0})


# --- weights in half precision


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("encoders"))


STAR = {"steps": 3, "batch": 8, "lr": 1e-5, "warmup": 1, "scale": 20.0}
STAR |= {"random_weight": 0.1, "depth": 20, "seed": 3}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_star_from_half_precision_learns_as_from_its_float32_copy(tiny, tmp_path, dtype):
    rounded = half(tmp_path / "half", dtype)
    assert load_file(rounded / "model.safetensors")["embeddings.LayerNorm.weight"].dtype == dtype
    copy = SentenceTransformer(str(rounded), device="cpu").float()
    copy.save(str(tmp_path / "copy"))
    trained = []
    for name in ("half", "copy"):
        model = bring(tmp_path / name, tmp_path / f"{name}-in").model
        assert model.transformers_model.config.dtype == torch.float32
        docs, out = tmp_path / f"{name}.npy", tmp_path / f"{name}-out"
        embed(tiny.collection, tmp_path / f"{name}-in", docs, "document", dtype="float32")
        start = tmp_path / f"{name}-in"
        flat(star_module.star)(tiny.collection, start, out, tmp_path / "scratch", docs, **STAR)
        trained.append([load_file(p) for p in sorted(out.rglob("*.safetensors"))])
    before = [load_file(p) for p in sorted((tmp_path / "half-in").rglob("*.safetensors"))]
    moved = 0.0
    for left, right, old in zip(*trained, before, strict=True):
        for key, value in left.items():
            assert value.dtype == torch.float32 and torch.equal(value, right[key])
            moved = max(moved, (value - old[key]).abs().max().item())
    assert 1e-6 < moved < 1e-4, "too little for bfloat16, and kept"


SOME = ["no padding token", "router after pooling", "truncated", "mean without prompt", "dense"]
SOME += ["modernbert", "t5", "two poolings", "e5's prompts", "last token of a causal model"]


@pytest.mark.parametrize("name", SOME)
def test_an_encoder_of_any_kind_is_trained_and_exported(tiny, tmp_path, name):
    write, _, prompts = KINDS[name]
    bring(write(tmp_path / "source"), tmp_path / "in", prompts)
    embed(tiny.collection, tmp_path / "in", tmp_path / "docs.npy", "document", dtype="float32")
    paths = {"docs": tmp_path / "docs.npy", "out": tmp_path / "out", "scratch": tmp_path / "s"}
    flat(star_module.star)(tiny.collection, tmp_path / "in", **paths, **STAR | {"lr": 1e-3})
    before, model = (DualEncoder.load(tmp_path / n).eval() for n in ("in", "out"))
    exported = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    for kind in LENGTHS:
        found = embed_texts(model, TEXTS, kind, 4096, False)
        near(found, encode(exported, kind))
        assert np.abs(found - embed_texts(before, TEXTS, kind, 4096, False)).max() > 1e-4
    options = {"dim": 16, "steps": 2, "batch": 8, "lr": 1e-4, "head_lr": 1e-3, "warmup": 1}
    options |= {"random_weight": 0.1, "depth": 20, "seed": 3}
    flat(colbert)(tiny.collection, tmp_path / "out", tmp_path / "late", tmp_path / "s", **options)
    late = LateInteraction.load(tmp_path / "late").eval()
    (tokens, counts), plain = late(late.tokenize(TEXTS, "query"), "query"), late.model
    for own, mask, right in zip(tokens, counts, plain.encode_query(TEXTS), strict=True):
        np.testing.assert_allclose(own[mask].detach(), right, atol=1e-5)


def test_a_file_in_half_precision_is_loaded_as_float32(tiny, tmp_path):
    folder = shutil.copytree(tiny.encoder, tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v.bfloat16() for k, v in weights.items()}, folder / "model.safetensors")
    edited(folder, "config.json", dtype="bfloat16")
    model = DualEncoder.load(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.forward([[2, 9, 3]]).dtype == torch.float32
