"""Embeddings equal sentence-transformers' own, in any number of shards; bad weights are refused."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from jointir.basics.errors import InputError
from jointir.basics.files import read_json, sha256
from jointir.data.store import read_corpus, read_queries
from jointir.encode import precision
from jointir.encode.embed import batches, embed, embed_texts
from jointir.encode.encoder import SETTINGS, DualEncoder, checkpoint
from jointir.encode.precision import choose_bf16
from jointir.encode.shards import gather
from jointir.encode.source import folder_of
from tiny import LENGTHS, D, N, make, on_processor, save_encoder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("encode"))


def texts_of(collection: Path) -> list[str]:
    corpus = read_corpus(collection)
    return [f"{t} {b}".strip() for t, b in zip(corpus["title"], corpus["text"], strict=True)]


def test_documents_equal_sentence_transformers(tiny):
    plain = SentenceTransformer(str(tiny.encoder), device="cpu")
    expected = plain.encode_document(texts_of(tiny.collection))
    found = np.load(tiny.docs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # texts differ, so that the equality above also shows that the order is kept
    assert len(np.unique(found.round(4), axis=0)) == N


def test_queries_equal_sentence_transformers_of_an_encoder_saved_for_queries(tiny, tmp_path):
    encoder = save_encoder(tmp_path / "queries", kind="query")
    plain = SentenceTransformer(str(encoder), device="cpu")
    assert plain.max_seq_length == LENGTHS["query"]
    queries = read_queries(tiny.collection)
    long = [*queries["text"], "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"]
    model = DualEncoder.load(encoder).eval()
    found = embed_texts(model, long, "query", 64, False)
    np.testing.assert_allclose(found, plain.encode_query(long), atol=1e-5)
    held = queries["split"].isin(["dev", "test"]).to_numpy()
    np.testing.assert_allclose(found[:-1][held], np.load(tiny.queries), atol=1e-5)


def test_a_control_character_in_a_text_is_a_part_of_its_word(tiny):
    model = DualEncoder.load(tiny.encoder).eval()
    texts = ["w1 w2\0 w3", "w1 unknown w3", "w1 w2 w3"]
    found = embed_texts(model, texts, "document", 64, False)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_prompts_and_length_limits_are_of_their_kind(tiny):
    model = DualEncoder.load(tiny.encoder)
    text = " ".join(f"w{i}" for i in range(40))
    ids = model.model.tokenizer.convert_tokens_to_ids
    query, document = (model.tokenize([text], kind)[0] for kind in ("query", "document"))
    assert query == ids(["[CLS]", "query:", "w0", "w1", "w2", "w3", "w4", "[SEP]"])
    assert document == ids(["[CLS]", "passage:", *(f"w{i}" for i in range(13)), "[SEP]"])
    assert model.tokenize(["\ud800"], "query") == [ids(["[CLS]", "query:", "[UNK]", "[SEP]"])]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_shards_gathered_equal_one_shard(tiny, tmp_path, dtype):
    shards = [tmp_path / f"{i}.npy" for i in range(3)]
    whole, joined = tmp_path / "whole.npy", tmp_path / "joined.npy"
    # one text a batch: no padding, hence no dependence on the texts of the same batch
    options = {"dtype": dtype, "batch_tokens": 1}
    embed(tiny.collection, tiny.encoder, whole, "document", **options)
    for i, out in enumerate(shards):
        embed(tiny.collection, tiny.encoder, out, "document", shard=i, shards=3, **options)
    gather(shards, joined)
    assert [len(np.load(s)) for s in shards] == [106, 107, 107]
    assert joined.read_bytes() == whole.read_bytes()
    assert joined.with_suffix(".json").read_text() == whole.with_suffix(".json").read_text()
    assert np.load(joined).dtype == dtype


@on_processor("")
def test_batches_of_padded_texts_do_not_change_the_embedding(tiny, tmp_path):
    embed(tiny.collection, tiny.encoder, tmp_path / "d.npy", "document", batch_tokens=1)
    np.testing.assert_allclose(np.load(tmp_path / "d.npy"), np.load(tiny.docs), atol=1e-3)


def test_gather_refuses_shards_of_another_encoder(tiny, tmp_path):
    save_encoder(tmp_path / "other", seed=1)
    embed(tiny.collection, tmp_path / "other", tmp_path / "b.npy", "document", dtype="float32")
    with pytest.raises(InputError, match=r"b\.npy: is described by .* embed again"):
        gather([tiny.docs, tmp_path / "b.npy"], tmp_path / "joined.npy")
    assert not (tmp_path / "joined.npy").exists()


def test_the_json_tells_what_the_matrix_is(tiny):
    facts = {"dim": D, "dtype": "float32", "normalized": True, "encoder": sha256(tiny.encoder)}
    assert json.loads(tiny.docs.with_suffix(".json").read_text()) == facts | {"kind": "document"}
    assert json.loads(tiny.queries.with_suffix(".json").read_text()) == facts | {"kind": "query"}
    np.testing.assert_allclose(np.linalg.norm(np.load(tiny.docs), axis=1), 1, atol=1e-6)


@on_processor("")
def test_more_shards_than_queries_leave_empty_shards(tiny, tmp_path):
    shards = [tmp_path / f"{i}.npy" for i in range(11)]
    for i, out in enumerate(shards):
        options = {"shard": i, "shards": 11, "dtype": "float32"}
        embed(tiny.collection, tiny.encoder, out, "query", ["dev"], **options)
    gather(shards, tmp_path / "q.npy")
    np.testing.assert_allclose(np.load(tmp_path / "q.npy"), np.load(tiny.queries)[:10], atol=1e-6)


def test_weights_that_are_not_finite_name_the_document(tiny, tmp_path):
    model = DualEncoder.load(tiny.encoder)
    word = model.model.tokenizer.convert_tokens_to_ids("w7")
    with torch.no_grad():
        model.model[0].auto_model.embeddings.word_embeddings.weight[word] = torch.nan
    model.save(tmp_path / "broken")
    cut = model.tokenize(texts_of(tiny.collection), "document")
    first = next(i for i, tokens in enumerate(cut) if word in tokens)
    with pytest.raises(InputError, match=rf"docs\.npy: the embedding of 'd{first}' is not finite"):
        embed(tiny.collection, tmp_path / "broken", tmp_path / "docs.npy", "document")
    assert [p.name for p in tmp_path.iterdir()] == ["broken"]


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 500))
def test_batches_hold_every_row_once_within_the_limit(lengths, batch_tokens):
    plan = list(batches(lengths, batch_tokens))
    assert sorted(i for rows in plan for i in rows) == list(range(len(lengths)))
    for rows in plan:
        longest = max(lengths[i] for i in rows)
        assert len(rows) == 1 or len(rows) * longest <= batch_tokens


@pytest.mark.parametrize(("noise", "expected"), [(0.0, True), (0.05, True), (1.0, False)])
def test_bf16_is_taken_only_when_it_agrees_with_float32(monkeypatch, noise, expected):
    """The second of the two calls is the one under autocast."""
    exact = torch.nn.functional.normalize(torch.randn(9, 8), dim=1)
    answers = [exact, exact + noise * torch.randn(9, 8) / 8]

    class Encoder(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, tokens):
            assert len(tokens) == 9
            return answers.pop(0)

    monkeypatch.setattr(precision, "autocast", lambda device, bf16: nullcontext())
    torch.manual_seed(0)
    with on_processor("amx_bf16"):
        assert choose_bf16(Encoder(), [[1]] * 9, "auto") is expected


def test_bf16_is_not_tried_without_hardware_or_on_request():
    def encoder(tokens):
        raise AssertionError("called")

    encoder.device = torch.device("cpu")
    with on_processor(""):
        assert choose_bf16(encoder, [[1]], "auto") is False
    with on_processor("amx_bf16"):
        assert choose_bf16(encoder, [[1]], "float32") is False


@pytest.mark.parametrize("kind", ["document", "query"])
def test_embeddings_in_bf16_are_near_those_in_float32(tiny, tmp_path, kind, capsys):
    found, exact = tmp_path / "e.npy", {"document": tiny.docs, "query": tiny.queries}[kind]
    with on_processor("amx_bf16"):
        embed(tiny.collection, tiny.encoder, found, kind, ["dev", "test"], dtype="float32")
    assert "precision: bfloat16" in capsys.readouterr().err
    cosines = (np.load(found) * np.load(exact)).sum(1)
    assert 0.999 < cosines.min() < cosines.max() < 1 - 1e-6, "rounded, and by no more than that"


def test_checkpoint_imports_any_folder(tiny, tmp_path):
    bert = tiny.encoder.parent / "encoder-bert"  # plain transformers, without pooling
    checkpoint(str(bert), tmp_path / "out", 5, 7, query_prompt="query: ")
    model = DualEncoder.load(tmp_path / "out").eval()
    assert (model.max_length, model.dim) == ({"query": 5, "document": 7}, D)
    assert not model.normalized
    assert [len(model.tokenize(["w1 " * 9], k)[0]) for k in ("query", "document")] == [5, 7]
    found = embed_texts(model, ["w1 w2"], "document", 64, False)
    hidden = model.model[0].auto_model(**model.model.tokenizer(["w1 w2"], return_tensors="pt"))
    np.testing.assert_allclose(found[0], hidden[0][0].mean(0).detach(), atol=1e-6)


@pytest.mark.parametrize("kept", [True, False])
def test_dropout_is_that_of_the_checkpoint_or_none(tiny, tmp_path, kept):
    bert = shutil.copytree(tiny.encoder.parent / "encoder-bert", tmp_path / "bert")
    config = read_json(bert / "config.json")
    own = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3}
    (bert / "config.json").write_text(json.dumps(config | own))
    checkpoint(str(bert), tmp_path / "out", 5, 7, dropout=kept)
    DualEncoder.load(tmp_path / "out").save(tmp_path / "again")  # as a training does
    model = DualEncoder.load(tmp_path / "again").train()
    rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == ({0.2, 0.3} if kept else {0.0})
    torch.manual_seed(1)
    assert torch.equal(model([[1, 2, 3]]), model([[1, 2, 3]])) is not kept


@pytest.mark.parametrize("name", ["package:no_such_package/x", "package:faiss/no-such-folder"])
def test_a_package_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match=rf"encoder\.checkpoint: '{name}' is not installed"):
        folder_of(name)


def test_an_unknown_checkpoint_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"encoder\.checkpoint: there is no folder '/no/such'"
    ) as e:
        checkpoint("/no/such", tmp_path / "out", 5, 7)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_make_is_refused(tiny, tmp_path):
    shutil.copytree(tiny.encoder, tmp_path / "encoder")
    (tmp_path / "encoder" / SETTINGS).unlink()
    with pytest.raises(InputError, match=rf"encoder: holds no {SETTINGS}\. Make it with"):
        DualEncoder.load(tmp_path / "encoder")


def test_a_damaged_encoder_is_refused_by_name(tiny, tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny.encoder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"encoder: cannot be loaded .* rerun the stage"):
        DualEncoder.load(folder)


def test_an_unknown_kind_and_splits_without_queries_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match=r"kind: 'documents' is unknown\. Choose one of"):
        embed(tiny.collection, tiny.encoder, tmp_path / "d.npy", "documents")
    for split in (None, ["tset"]):
        with pytest.raises(InputError, match=r"collection: holds no query of the splits .*--split"):
            embed(tiny.collection, tiny.encoder, tmp_path / "q.npy", "query", split)
    assert not list(tmp_path.iterdir())
