"""Encoders of every kind embed as sentence-transformers has them, or `checkpoint` refuses them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import processors
from transformers import BertConfig

import jointir.generative.asi as asi_module
import jointir.generative.settle as settle_module
import jointir.joint.dpq as dpq_module
import jointir.joint.jpq as jpq_module
import jointir.retrievers.adore as adore_module
import jointir.retrievers.tct as tct_module
from encoders import (
    BERT,
    CONFIGS,
    dense,
    edited,
    half,
    pooled,
    router,
    transformer,
    with_modules,
    without_padding,
    without_prompt,
)
from jointir.encode import encoder as encoder_module
from jointir.encode import norm
from jointir.encode import star as star_module
from jointir.encode.embed import embed, embed_texts
from jointir.encode.encoder import DualEncoder, checkpoint
from jointir.errors import InputError
from jointir.files import read_json
from jointir.generative.controls import given_ids
from jointir.quantize.pq import read_index, read_pq, replace_centroids, write_index
from jointir.retrievers.colbert import colbert
from jointir.retrievers.dual import dual
from jointir.retrievers.late import LateInteraction
from jointir.search.build import build
from tiny import D, make, tokenizer

LENGTHS = {"query": 12, "document": 24}
LONG = " ".join(f"w{i}" for i in range(60))
TEXTS = ["w1 w2 w3", "w9", "w5 w6 w7 w8 w9 w3 w2 w1", LONG, "w3 w2 w1"]
E5 = {"query": "query: ", "passage": "passage: "}
SAID = {"query": "query: w9 ", "document": "passage: w7 "}
AS_ANY = {"document": "passage: ", "retrieval": "query: "}


def causal(folder: Path, **options: object) -> Path:
    words = without_padding()
    for name, value in options.items():
        setattr(words, name, value)
    return transformer(folder, CONFIGS["gpt2"], words)


def last_of_causal(folder: Path) -> Path:
    first = modules.Transformer(str(causal(folder.with_name("raw"), padding_side="left")))
    first.tokenizer.pad_token = "[SEP]"
    SentenceTransformer(modules=[first, modules.Pooling(D, "lasttoken")]).save(str(folder))
    return folder


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
    "no padding token": (causal, D, {}),
    "padding on the left": (lambda f: causal(f, padding_side="left", pad_token="[SEP]"), D, {}),
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


@pytest.mark.parametrize(
    ("options", "given", "words"),
    [
        ({"prompts": SAID}, {"query": "w3 "}, "query_prompt: 'w3 ' in place of the model's own"),
        ({"prompts": SAID}, {"document": ""}, "document_prompt: '' in place of the model's own"),
        ({"prompts": E5}, {}, "the model's prompts ['passage'] are not used: encode_query"),
        ({"prompts": AS_ANY, "default_prompt_name": "retrieval"}, {}, "['retrieval'] are not used"),
        ({}, {}, f"embeddings of D = {D} dimensions, of length 1"),
        ({"truncate_dim": 8}, {}, "embeddings of D = 8 dimensions, not normalized"),
        ({"truncate_dim": 8}, {}, "rank by inner product, its similarity_fn_name is 'cosine'"),
        (
            {"similarity_fn_name": "manhattan"},
            {},
            "rank by inner product, its similarity_fn_name is 'manhattan'",
        ),
    ],
)
def test_what_the_user_should_know_is_said(tmp_path, capsys, options, given, words):
    bring(pooled(tmp_path / "source", **options), tmp_path / "out", given)
    assert words in capsys.readouterr().err


def test_nothing_is_said_of_prompts_that_are_used(tmp_path, capsys):
    bring(pooled(tmp_path / "source", prompts=SAID), tmp_path / "out")
    told = capsys.readouterr().err
    assert "not used" not in told and "in place of" not in told and "similarity" not in told


def sentence(folder: Path, *parts: torch.nn.Module) -> Path:
    SentenceTransformer(modules=list(parts), device="cpu").save(str(folder))
    return folder


def static(folder: Path) -> Path:
    words = without_padding()
    return sentence(folder, modules.StaticEmbedding(words, embedding_dim=D))


def without_tokenizer(folder: Path) -> Path:
    transformer(folder)
    for path in folder.glob("token*"):
        path.unlink()
    return folder


def of_other_words(folder: Path) -> Path:
    return edited(transformer(folder), "config.json", auto_map={"AutoModel": "mine.Model"})


def own_dense(folder: Path) -> Path:
    with_modules(folder, modules.Pooling(D), dense(8))
    return edited(folder, "2_Dense/config.json", activation_function="mine.Activation")


def own_tokenizer(folder: Path) -> Path:
    told = {"auto_map": {"AutoTokenizer": ["mine.Words", None]}}
    return edited(transformer(folder), "tokenizer_config.json", **told)


def own_module(folder: Path) -> Path:
    listed = (pooled(folder) / "modules.json").read_text()
    name = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    assert name in listed
    (folder / "modules.json").write_text(listed.replace(name, "mine.Pooling"))
    return folder


def own_kind(folder: Path) -> Path:
    mine = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    return edited(transformer(folder), "config.json", auto_map=mine, model_type="mine")


def template(folder: Path) -> Path:
    words = without_padding()
    words.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return transformer(folder, CONFIGS["qwen3"], words)


def with_types(folder: Path) -> Path:
    words = tokenizer()
    shape = {"single": "[CLS]:1 $A:1 [SEP]:1", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(**shape)
    names = ["input_ids", "token_type_ids", "attention_mask"]
    transformer(folder, words=words)
    return edited(folder, "tokenizer_config.json", model_input_names=names)


def not_finite(folder: Path) -> Path:
    weights = load_file(transformer(folder) / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def without_end(folder: Path) -> Path:
    return causal(folder, eos_token=None)


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
    "code of a model": (of_other_words, {}, r"wants code of its own \(auto_map .*mine\.Model"),
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
        star_module.star(tiny.collection, start, docs, out, tmp_path / "scratch", **STAR)
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
    star_module.star(tiny.collection, tmp_path / "in", **paths, **STAR | {"lr": 1e-3})
    before, model = (DualEncoder.load(tmp_path / n).eval() for n in ("in", "out"))
    exported = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    for kind in LENGTHS:
        found = embed_texts(model, TEXTS, kind, 4096, False)
        near(found, encode(exported, kind))
        assert np.abs(found - embed_texts(before, TEXTS, kind, 4096, False)).max() > 1e-4
    options = {"dim": 16, "steps": 2, "batch": 8, "lr": 1e-4, "head_lr": 1e-3, "warmup": 1}
    options |= {"random_weight": 0.1, "depth": 20, "seed": 3}
    colbert(tiny.collection, tmp_path / "out", tmp_path / "late", tmp_path / "s", **options)
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


# --- embeddings of another length


def scaled(folder: Path, factor: float) -> Path:
    parts = [modules.Pooling(D), modules.Normalize(), dense(D, factor)]
    with_modules(folder.with_name(f"{folder.name}-in"), *parts)
    bring(folder.with_name(f"{folder.name}-in"), folder)
    return folder


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory):
    """Two encoders whose embeddings differ in length alone, with embeddings, index and ids."""
    root = tmp_path_factory.mktemp("pair")
    for factor in (1, 5):
        folder = root / str(factor)
        model = scaled(folder / "model", factor)
        embed(tiny.collection, model, folder / "docs.npy", "document", dtype="float32")
    np.testing.assert_allclose(np.load(root / "5/docs.npy"), 5 * np.load(root / "1/docs.npy"), 1e-5)
    build("opq", root / "1/docs.npy", root / "1/opq.faiss", 8, iterations=2)
    index = read_index(root / "1/opq.faiss")
    replace_centroids(index, 5 * read_pq(root / "1/opq.faiss", D).centroids)
    write_index(faiss.downcast_index(index), root / "5/opq.faiss")
    options = {"dim": 16, "steps": 2, "batch": 8, "lr": 1e-4, "head_lr": 1e-3, "warmup": 1}
    options |= {"random_weight": 0.1, "depth": 20, "seed": 3}
    colbert(tiny.collection, root / "1/model", root / "teacher", root / "scratch", **options)
    return root


COMMON = {"steps": 8, "batch": 8, "lr": 1e-4, "warmup": 2, "scale": 20.0, "seed": 3}
NEGATIVES = {"random_weight": 0.1, "depth": 20}
JPQ = COMMON | {"negatives": 20, "lambda_cut": 20}
DPQ = COMMON | {"pq_lr": 0.0, "temperature": 1e-3, "reconstruction": 1.0}
TCT = COMMON | {"depth": 20, "gamma": 0.1, "temperature": 0.25}
ASI = COMMON | {"length": 4, "vocabulary": 16, "layers": 1, "batch": 12, "fresh": 4, "pool": 40}
ASI |= {"decoded": 10, "nearest": 3, "refresh": 4, "alpha": 3.0, "gamma": 0.05, "beta": 0.01}
ASI |= {"lambda_first": 0.01, "lambda_last": 0.25}
SETTLE = COMMON | {"nearby": 0.5, "holdout": 0.0, "batch": 16, "lr": 1e-3}


def with_index(stage: Callable, **options: object) -> Callable:
    def run(c: Path, f: Path, out: Path) -> None:
        outs = {"out_index": out / "i.faiss", "out_encoder": out / "e", "scratch": out / "s"}
        stage(c, f / "model", index=f / "opq.faiss", docs=f / "docs.npy", **outs, **options)

    return run


def with_docs(stage: Callable, **options: object) -> Callable:
    return lambda c, f, out: stage(
        c, f / "model", docs=f / "docs.npy", out=out / "e", scratch=out / "s", **options
    )


def tct_colbert(c: Path, f: Path, out: Path) -> None:
    tct_module.tct(c, f / "model", f.parent / "teacher", out / "e", out / "s", **TCT)


def settle(c: Path, f: Path, out: Path) -> None:
    made = {"out": out / "given", "ids": out / "ids.parquet"}
    shape = {"length": 4, "vocabulary": 16, "layers": 1, "seed": 1}
    given_ids(c, f / "model", f / "docs.npy", **made, kind="residual", **shape)
    paths = {"ids": made["ids"], "docs": f / "docs.npy", "out": out / "e", "scratch": out / "s"}
    settle_module.settle(c, out / "given", **paths, **SETTLE)


# name: the module whose `train` it calls, and the stage
TRAININGS = {
    "star": (star_module, with_docs(star_module.star, **COMMON | NEGATIVES)),
    "dual": (star_module, with_docs(dual, **COMMON | NEGATIVES, negatives="random")),
    "adore": (adore_module, with_docs(adore_module.adore, **JPQ)),
    "jpq": (jpq_module, with_index(jpq_module.jpq, **JPQ, centroid_lr=0.0)),
    "jpq-neg": (jpq_module, with_index(jpq_module.jpq, **JPQ, centroid_lr=0.0, exact=True)),
    "jpq-mse": (jpq_module, with_index(jpq_module.jpq, **JPQ, centroid_lr=0.0, reconstruction=9.0)),
    "dpq": (dpq_module, with_index(dpq_module.dpq, **DPQ)),
    "tct-colbert": (tct_module, tct_colbert),
    "asi": (asi_module, with_docs(asi_module.asi, **ASI, indexer="mlp", head_lr=1e-3)),
    # centroids are as long as the embeddings, learning rates are not: here they stay
    "asi-rq": (asi_module, with_docs(asi_module.asi, **ASI, indexer="rq", head_lr=0.0)),
    "asi-pq": (asi_module, with_docs(asi_module.asi, **ASI, indexer="pq", head_lr=0.0)),
    "settle": (settle_module, settle),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_embeddings_five_times_as_long_give_the_same_losses(
    tiny, pair, tmp_path, monkeypatch, name
):
    module, stage = TRAININGS[name]
    curves, train, load = [], module.train, DualEncoder.load

    def frozen(folder: Path) -> DualEncoder:
        model = load(folder)  # the factor itself would learn at another pace
        for part in model.model:
            if isinstance(part, modules.Dense):
                part.requires_grad_(False)
        return model

    monkeypatch.setattr(DualEncoder, "load", staticmethod(frozen))
    monkeypatch.setattr(module, "train", lambda *args: curves.append(train(*args)))
    for factor in ("1", "5"):
        stage(tiny.collection, pair / factor, tmp_path / factor)
    np.testing.assert_allclose(curves[1], curves[0], rtol=2e-3)
    assert np.std(curves[0]) > 1e-4 * np.mean(curves[0]), "it moves"


def test_without_the_division_losses_differ(tiny, pair, tmp_path, monkeypatch):
    curves, train = [], star_module.train
    monkeypatch.setattr(star_module, "train", lambda *args: curves.append(train(*args)))
    monkeypatch.setattr(star_module, "mean_squared_norm", lambda *args: 1.0)
    for factor in ("1", "5"):
        TRAININGS["star"][1](tiny.collection, pair / factor, tmp_path / factor)
    assert abs(curves[1][0] / curves[0][0] - 1) > 0.1


def test_the_norm_is_that_of_a_sample_of_documents(tiny, pair, monkeypatch):
    model = DualEncoder.load(pair / "5/model").train()
    docs = np.load(pair / "5/docs.npy")
    rows = np.random.default_rng(0).choice(len(docs), 256, replace=False)
    right = np.square(docs[rows]).sum(1).mean()
    assert norm.mean_squared_norm(model, tiny.collection) == pytest.approx(right, rel=1e-5)
    assert right == pytest.approx(25, rel=1e-4) and model.training
    monkeypatch.setattr(norm, "CHUNK_ROWS", 50)
    assert norm.mean_squared_norm(model, tiny.collection) == pytest.approx(right, rel=1e-5)


def test_the_norm_of_normalized_embeddings_is_one_and_is_not_measured(tiny, monkeypatch):
    monkeypatch.setattr(norm, "sample", lambda collection: pytest.fail("measured"))
    assert norm.mean_squared_norm(DualEncoder.load(tiny.encoder), tiny.collection) == 1.0
