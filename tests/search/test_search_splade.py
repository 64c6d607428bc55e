"""SPLADE by a small model of random weights, against a loop over texts and words."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy import sparse
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

import tiny as tiny_data
from conftest import ROOT
from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.methods import known
from jointir.methods.facts import SPARSE
from jointir.methods.splade import Settings
from jointir.search import splade as module
from jointir.search.splade import Weights, search

SETTINGS = {"query_length": 8, "document_length": 12}
PRESET = ROOT / "params/presets/splade.yaml"


def bert(folder: Path, kind: type = BertForMaskedLM, safe: bool = True) -> Path:
    """Write a model of SPLADE's class with random weights and the tiny collection's words."""
    torch.manual_seed(3)
    words = tiny_data.tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 32, "initializer_range": 0.3}
    model = kind(BertConfig(vocab_size=len(words), **sizes))
    if kind is BertForMaskedLM:  # so that most words of a text have no weight, as SPLADE's
        model.cls.predictions.bias.data -= 2
    model.save_pretrained(folder)
    if not safe:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return bert(tmp_path_factory.mktemp("splade"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_data.save_collection(tmp_path_factory.mktemp("tiny") / "collection")


def looped(checkpoint: Path, texts: list[str], length: int) -> np.ndarray:
    """Return the weight of each word, text by text and word by word."""
    model = BertForMaskedLM.from_pretrained(checkpoint).eval()
    words = AutoTokenizer.from_pretrained(checkpoint)
    found = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        tokens = words(text, truncation=True, max_length=length, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**tokens).logits[0]  # [T, V]
        for token in logits.tolist():
            for word, logit in enumerate(token):
                found[row, word] = max(found[row, word], math.log(1 + max(0.0, logit)))
    return found


@tiny_data.on_processor("")
@pytest.mark.parametrize("batch_tokens", [12, 4096])
def test_weights_are_the_highest_of_each_words_logits(checkpoint, batch_tokens):
    texts = ["w1 w2 w3", "w9", "", " ".join(f"w{i}" for i in range(40)), "w3 w2 w1 w5"]
    found = Weights(str(checkpoint), torch.device("cpu"))(texts, 12, batch_tokens)
    wanted = looped(checkpoint, texts, 12)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found.toarray(), wanted, atol=1e-5)
    assert 0.02 < found.nnz / wanted.size < 0.9  # it is sparse, and not empty


@pytest.mark.parametrize("cells", [1, 2**24])
def test_search_is_by_inner_product_and_finds_what_shares_a_word(monkeypatch, cells):
    monkeypatch.setattr(module, "CELLS", cells)
    rng = np.random.default_rng(0)
    queries, docs = (rng.random((n, 30)) * (rng.random((n, 30)) < 0.1) for n in (9, 40))
    queries[3], docs[7] = 0, docs[5]  # nothing asked for; two alike
    rows, scores = search(
        sparse.csr_array(queries.astype(np.float32)), sparse.csr_array(docs.astype(np.float32)), 8
    )
    for q, query in enumerate(queries):
        products = docs @ query
        shared = np.flatnonzero(products > 0)
        order = sorted(shared, key=lambda d: (-np.float32(products[d]), d))[:8]
        n = len(order)
        assert rows[q, :n].tolist() == order and (rows[q, n:] == -1).all()
        np.testing.assert_allclose(scores[q, :n], products[order], rtol=1e-5)
        assert (scores[q, n:] == -np.inf).all()


@tiny_data.on_processor("")
def test_the_stage_writes_runs_and_what_they_cost(checkpoint, tiny, tmp_path):
    out = [tmp_path / f"{split}.trec.gz" for split in ("dev", "test")]
    meta = tmp_path / "meta.json"
    tiny_data.rank("splade", tiny, out, meta, checkpoint=str(checkpoint), **SETTINGS, k=7)
    corpus, topics = read_corpus(tiny), read_queries(tiny, "test")
    docs = looped(checkpoint, document_texts(corpus), 12)
    queries = looped(checkpoint, topics["text"].tolist(), 8)
    run = read_run(out[1])
    for query_id, query in zip(topics["query_id"], queries, strict=True):
        scores = dict(zip(corpus["doc_id"], docs @ query, strict=True))
        best = sorted(scores.values(), reverse=True)[:7]
        assert sorted(run[query_id].values(), reverse=True) == pytest.approx(best, rel=1e-4)
        for doc_id, score in run[query_id].items():
            assert score == pytest.approx(scores[doc_id], rel=1e-4)
    told = json.loads(meta.read_text())
    nonzero = int((docs > 0).sum())
    assert told["bytes"]["codes"] == pytest.approx(8 * nonzero, rel=1e-3)
    assert told["bytes"]["other"] == 8 * (docs.shape[1] + 1)
    assert told["bytes_per_doc"] == sum(told["bytes"].values()) // tiny_data.N
    model = BertForMaskedLM.from_pretrained(checkpoint)
    assert told["numbers"]["model bytes"] == 4 * sum(p.numel() for p in model.parameters())
    assert told["numbers"]["ms a query"] > 0
    assert (told["system"], told["setting"], told["n_docs"]) == ("splade", "", tiny_data.N)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda f: bert(f, BertModel), "lack cls.predictions"),
        (lambda f: bert(f, safe=False), "has no weights in safetensors"),
        (lambda f: f / "none", "there is no folder|cannot load"),
    ],
)
def test_a_checkpoint_that_is_no_masked_language_model_is_refused(tmp_path, made, said):
    with pytest.raises(InputError, match=said):
        Weights(str(made(tmp_path)), torch.device("cpu"))


def test_the_preset_names_the_real_checkpoint():
    own = yaml.safe_load(PRESET.read_text())["systems"]["splade"]
    assert own["checkpoint"] == "naver/splade-cocondenser-ensembledistil"
    assert own.pop("method") == "splade"
    Settings(**own)
    assert known.facts()["splade"].group == SPARSE
