"""Checkpoints whose files do not belong together are refused, and no pickle is opened."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoModel, BertForMaskedLM

from conftest import ROOT
from encoders import BERT, CONFIGS, dense, edited, pooled, transformer, with_modules
from jointir.basics.errors import InputError
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder, checkpoint
from jointir.encode.source import folder_of
from jointir.encode.weights import summary
from jointir.retrievers.late import LateInteraction
from tiny import D, tokenizer

TENSORS = "model.safetensors"
LAYER = "encoder.layer.1."


def renamed(folder: Path, name_of: Callable[[str], str | None], file: str = TENSORS) -> Path:
    """Rename the tensors of a file, or drop those for which there is no name."""
    named = {name_of(k): v for k, v in load_file(folder / file).items()}
    save_file({k: v for k, v in named.items() if k}, folder / file, {"format": "pt"})
    return folder


def without(folder: Path, words: str, file: str = TENSORS) -> Path:
    return renamed(folder, lambda k: None if re.search(words, k) else k, file)


def pickled(folder: Path, name: str = "", file: str = "pytorch_model.bin") -> Path:
    """Put a pickle in the place of a safetensors file."""
    torch.save(load_file(folder / name / TENSORS), folder / name / file)
    (folder / name / TENSORS).unlink()
    return folder


def indexed(folder: Path) -> Path:
    """Put pickles in parts, and their index, in the place of a safetensors file."""
    names, file = list(load_file(folder / TENSORS)), "pytorch_model-00001-of-00001.bin"
    pickled(folder, file=file)
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, file)}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def emptied(folder: Path) -> Path:
    (folder / TENSORS).unlink()
    return folder


def cut(folder: Path) -> Path:
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:1000])
    return folder


def changed(**changes: object) -> Callable[[Path], Path]:
    return lambda f: edited(transformer(f), "config.json", **changes)


def with_dense(folder: Path) -> Path:
    return with_modules(folder, modules.Pooling(D), dense(8))


TOGETHER = r"\. Check that its files belong together, or save the model again$"
CONVERT = r"\. jointir loads no pickle\. Save the model again with its weights in safetensors$"
REFUSED = {
    "foreign names": (
        lambda f: renamed(transformer(f), lambda k: f"foo.{k}"),
        r"its files lack 37 tensors that embeddings depend on: \S+, \S+, \S+ and 34 more"
        + TOGETHER,
    ),
    "a layer": (
        lambda f: without(transformer(f), re.escape(LAYER)),
        rf"its files lack 16 tensors that .*: {LAYER}\S+, {LAYER}.* and 13 more" + TOGETHER,
    ),
    "one constant tensor": (  # which transformers sets to 1, with no randomness
        lambda f: without(transformer(f), r"layer\.0\.output\.LayerNorm\.weight"),
        r"lack 1 tensor that .* on: encoder\.layer\.0\.output\.LayerNorm\.weight" + TOGETHER,
    ),
    "one tensor of another kind": (
        lambda f: without(transformer(f, CONFIGS["modernbert"]), r"layers\.1\.mlp\.Wo"),
        r"lack 1 tensor that .* on: layers\.1\.mlp\.Wo\.weight" + TOGETHER,
    ),
    "a pooler and another": (
        lambda f: without(transformer(f), r"^pooler|embeddings\.LayerNorm\.bias"),
        r"lack 1 tensor that .* on: embeddings\.LayerNorm\.bias" + TOGETHER,
    ),
    "of a dense module": (
        lambda f: without(with_dense(f), "bias", "2_Dense/model.safetensors"),
        r"cannot load '\S+' \(RuntimeError: Error.* for Dense: Missing key.*linear\.bias"
        r'"\)' + TOGETHER,
    ),
    "more layers told": (
        changed(num_hidden_layers=4),
        r"lack 32 tensors that .*: encoder\.layer\.2\..* and 29 more" + TOGETHER,
    ),
    "fewer layers told": (
        changed(num_hidden_layers=1),
        rf"has more layers than its config\.json says: {LAYER}.* and 13 more\. Correct the number",
    ),
    "fewer layers below a prefix": (
        lambda f: edited(
            renamed(transformer(f), lambda k: f"bert.{k}"), "config.json", num_hidden_layers=1
        ),
        rf"has more layers than its config\.json says: (bert\.)?{LAYER}.* and 13 more",
    ),
    "another width": (
        changed(intermediate_size=48),
        r"has 6 tensors of other shapes than its config\.json says: "
        r"encoder\.layer\.0\.intermediate\.dense\.bias is \[64\] in the file, \[48\] in the model"
        + TOGETHER,
    ),
    "no heads": (changed(num_attention_heads=0), r"\(ZeroDivisionError: .*\)" + TOGETHER),
    "a number as text": (changed(hidden_size="32"), r"'hidden_size'.* expected int.*" + TOGETHER),
    "heads that do not divide": (changed(num_attention_heads=5), r"\(ValueError: .*" + TOGETHER),
    "an unknown activation": (changed(hidden_act="no"), r"\(KeyError: .*no.*\)" + TOGETHER),
    "not JSON": (
        lambda f: (transformer(f), (f / "config.json").write_text("{"))[0],
        r"cannot load '\S+' \(OSError: .*config\.json.*\)" + TOGETHER,
    ),
    "cut short": (lambda f: cut(transformer(f)), r"\(SafetensorError: .*\)" + TOGETHER),
    "no weights": (lambda f: emptied(transformer(f)), r"has no weights in safetensors" + CONVERT),
    "pickle": (lambda f: pickled(transformer(f)), r"has no weights in safetensors" + CONVERT),
    "pickles": (lambda f: indexed(transformer(f)), r"has no weights in safetensors" + CONVERT),
    "pickle of a module": (
        lambda f: pickled(with_dense(f), "2_Dense"),
        r"the weights in '\S+/2_Dense/pytorch_model\.bin' are a pickle" + CONVERT,
    ),
    "pickle of any name": (
        lambda f: edited(
            pickled(transformer(f), file="own.bin"), "config.json", transformers_weights="own.bin"
        ),
        r"\(ValueError: .*neither a safetensors file .*own\.bin\)" + TOGETHER,
    ),
    "a prompt of its own that is no text": (
        lambda f: edited(pooled(f), "config_sentence_transformers.json", prompts={"query": ["w1"]}),
        r"query_prompt: \['w1'\] is not a text\. Write a text",
    ),
}


def bring(source: Path, out: Path, **options: object) -> DualEncoder:
    checkpoint(str(source), out, 12, 24, **options)
    return DualEncoder.load(out).eval()


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_do_not_belong_together_are_refused(name, tmp_path, capfd, monkeypatch):
    write, words = REFUSED[name]
    source = write(tmp_path / "source")
    monkeypatch.setattr(torch, "load", None)  # which nothing may call
    with pytest.raises(InputError, match=rf"^encoder\..*{words}") as e:
        bring(source, tmp_path / "out")
    assert "\n" not in str(e.value)
    assert not [p for p in tmp_path.iterdir() if "out" in p.name]
    assert "LOAD REPORT" not in capfd.readouterr().err


def test_loading_leaves_torch_as_it_was(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(InputError):
        bring(pickled(transformer(tmp_path / "source")), tmp_path / "out")
    assert torch.load(tmp_path / "a.pt")["a"].sum() == 2
    assert AutoModel.from_pretrained(transformer(tmp_path / "b")).config.model_type == "bert"


def test_a_folder_with_both_loads_safetensors(tmp_path):
    source = transformer(tmp_path / "source")
    right = load_file(source / TENSORS)
    torch.save({k: v + 1 for k, v in right.items()}, source / "pytorch_model.bin")
    bring(source, tmp_path / "out")
    found = load_file(tmp_path / "out" / TENSORS)
    assert found.keys() == right.keys()
    assert all(torch.equal(found[k], right[k]) for k in right)


def test_what_no_embedding_uses_may_be_missing(tmp_path, capfd):
    whole = bring(transformer(tmp_path / "source"), tmp_path / "whole")
    without(tmp_path / "source", "^pooler")
    found = []
    for run in ("a", "b"):
        torch.manual_seed(len(found))
        model = bring(tmp_path / "source", tmp_path / run)
        found.append((tmp_path / run / TENSORS).read_bytes())
        right = embed_texts(whole, ["w1 w2", "w9"], "query", 64, False)
        np.testing.assert_array_equal(
            embed_texts(model, ["w1 w2", "w9"], "query", 64, False), right
        )
    assert found[0] == found[1], "two runs write the same"
    told = capfd.readouterr().err
    assert "lack 2 tensors that no embedding uses, now 0: pooler.dense.bias, pooler.dense.w" in told
    assert "LOAD REPORT" not in told


def test_a_head_that_is_not_used_is_told(tmp_path, capsys):
    torch.manual_seed(0)
    BertForMaskedLM(BERT).save_pretrained(tmp_path / "source")
    tokenizer().save_pretrained(tmp_path / "source")
    bring(tmp_path / "source", tmp_path / "out")
    told = capsys.readouterr().err
    assert re.search(r"not used of its files: 5 tensors, cls\.\S+, cls\.\S+, \S+ and 2 more", told)


@pytest.mark.parametrize("kind", ["query", "document"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udcff"])
def test_prompts_that_no_tokenizer_takes_are_refused(kind, text, tmp_path):
    own = tmp_path / "own"
    pooled(own)
    edited(own, "config_sentence_transformers.json", prompts={kind: text})
    for options in ({f"{kind}_prompt": text}, {}):
        with pytest.raises(InputError, match=rf"^encoder\.{kind}_prompt: .* has the character"):
            bring(own, tmp_path / "out", **options)
    given = {f"{kind}_prompt": "w1 "}  # in place of the model's own
    assert bring(own, tmp_path / "out", **given).model.prompts[kind] == "w1 "


SOURCES = ["package:__main__/x", "package:sys/src", "package:/x", "package:os.path/x"]


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_without_a_folder_is_not_installed(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # which has a folder src
    with pytest.raises(InputError, match=r"^encoder\.checkpoint: 'package:.* is not installed"):
        folder_of(name)


@pytest.mark.parametrize("name", ["~no-such-user/x", "~no-such-user"])
def test_a_home_that_is_not_there_is_refused(name):
    words = rf"^encoder\.checkpoint: there is no home folder for '{name}'\. Correct the path"
    with pytest.raises(InputError, match=words):
        folder_of(name)


def test_a_hub_id_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch):
    def fail(*args: object, **options: object) -> None:
        raise OSError("We could not connect to the hub.\nCheck your connection.\n\nOr read this.")

    monkeypatch.setattr(SentenceTransformer, "__init__", fail)
    words = (
        r"^encoder\.checkpoint: cannot load 'no/such' \(OSError: We could not connect to the hub\)"
        r"\. Name a folder, a hub id \(with internet\), or package:MODULE/FOLDER$"
    )
    with pytest.raises(InputError, match=words):
        bring("no/such", tmp_path / "out")


SUMMARIES = [
    (OSError("\n  a b.\nc"), "OSError: a b"),
    (RuntimeError("Errors for X:\n\tMissing y\nmore"), "RuntimeError: Errors for X: Missing y"),
    (ValueError(), "ValueError: no message"),
]


@pytest.mark.parametrize(("error", "told"), SUMMARIES)
def test_an_error_is_told_by_its_first_words(error, told):
    assert summary(error) == told


LATER = {
    "lacks": (
        lambda f: without(f, r"layer\.1\.output"),
        r"lacks 4 tensors of its model: encoder\.",
    ),
    "even a pooler": (lambda f: without(f, "pooler"), r"lacks 2 tensors of its model: pooler\."),
    "shapes": (lambda f: edited(f, "config.json", vocab_size=9), r"lacks 1 tensor of its model"),
    "no heads": (
        lambda f: edited(f, "config.json", num_attention_heads=0),
        r"cannot be loaded \(ZeroDivisionError: ",
    ),
    "no lengths": (
        lambda f: ((f / "jointir.json").write_text("{}"), f)[1],
        r"has no max_length",
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_later_stages_refuse_an_encoder_that_was_damaged(name, tmp_path):
    spoil, words = LATER[name]
    bring(pooled(tmp_path / "source"), tmp_path / "out")
    spoil(tmp_path / "out")
    with pytest.raises(InputError, match=rf"out\S*: {words}.* Delete it and rerun the stage"):
        DualEncoder.load(tmp_path / "out")


def test_a_late_interaction_model_that_was_damaged_is_refused(tmp_path):
    LateInteraction.start(bring(pooled(tmp_path / "source"), tmp_path / "in"), 16, 0).save(
        tmp_path / "out"
    )
    assert LateInteraction.load(tmp_path / "out").projection.shape == (16, D)
    without(tmp_path / "out", r"layer\.1\.output")
    with pytest.raises(InputError, match=r"out: lacks 4 tensors of its model"):
        LateInteraction.load(tmp_path / "out")
