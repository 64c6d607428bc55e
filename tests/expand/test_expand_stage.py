"""The stage `expand`, by its own generator and by a seq2seq checkpoint; who reads its queries."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.basics.readers import read_npy
from jointir.data.generated import read_generated, write_generated
from jointir.data.store import document_texts, read_corpus, read_doc_ids, read_queries
from jointir.encode.encoder import DualEncoder
from jointir.expand.seq2seq import Checkpoint
from jointir.expand.stage import expand, written
from jointir.expand.training import doc2query
from jointir.generative.pairs import Pairs
from jointir.methods.expand import Settings

SETTINGS = {"queries": 3, "top_k": 10, "depth": 10, "seed": 1}
TRAINING = {"steps": 20, "batch": 16, "lr": 5e-3, "warmup": 1, "seed": 1}
TRAINING |= {"layers": 1, "source_length": 16, "checkpoint_minutes": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def generator(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    paths = (tiny.collection, tiny.encoder, folder / "generator", folder / "scratch")
    tiny_data.flat(doc2query)(*paths, **TRAINING)
    return folder / "generator"


def t5(folder: Path, safe: bool = True) -> Path:
    """Write a T5 of random weights, of docT5query's class, with the tiny collection's words."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    words = tiny_data.tokenizer()
    words.eos_token = "[SEP]"
    ends = {"pad_token_id": 0, "eos_token_id": 3, "decoder_start_token_id": 0}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(words), **sizes, **ends))
    model.save_pretrained(folder)
    if not safe:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    words.save_pretrained(folder)
    return folder


def run(tiny, out: Path, **changes):
    """Expand the tiny collection; return the queries and what is told of them."""
    own = {name: changes.pop(name) for name in list(changes) if name in SETTINGS}
    paths = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
    paths |= {"out": out / "queries.parquet", "meta": out / "queries.json"}
    expand(**paths | changes, settings=Settings(**SETTINGS | own))
    return read_generated(out / "queries.parquet"), json.loads((out / "queries.json").read_text())


def naive_rank(tiny, text: str, doc_id: str) -> int:
    """Return 1 and how many documents the encoder finds before this one."""
    encoder = DualEncoder.load(tiny.encoder).eval()
    with torch.inference_mode():
        query = encoder(encoder.tokenize([text], "query"))[0].numpy()
    docs, ids = read_npy(tiny.docs), read_doc_ids(tiny.collection).tolist()
    own = query @ docs[ids.index(doc_id)]
    return 1 + sum(1 for doc in docs if query @ doc > own + 1e-6)


@tiny_data.on_processor("")
def test_queries_that_find_their_document_are_kept(tiny, generator, tmp_path):
    every, told = run(tiny, tmp_path / "every", generator=generator, depth=tiny_data.N)
    kept, facts = run(tiny, tmp_path / "kept", generator=generator)
    assert told == {
        "generator": "doc2query-MiniLM",
        "documents": tiny_data.N,
        "distinct": len(every),
        "kept": len(every),
        "expanded": every["doc_id"].nunique(),
    }
    assert not every.duplicated(["doc_id", "text"]).any()
    assert every.groupby("doc_id").size().max() == 3
    # the same queries are drawn, and of these the first ten ranks stay, in their order
    pd.testing.assert_frame_equal(kept, every[every["rank"] <= 10].reset_index(drop=True))
    assert facts["kept"] == len(kept) and 0 < len(kept) < len(every)
    for doc_id, text, rank in every.iloc[::60].itertuples(index=False):
        assert abs(rank - naive_rank(tiny, text, doc_id)) <= 1  # two kinds of rounding
    words = {*tiny_data.WORDS, *tiny_data.SPECIAL[4:]}
    assert set(" ".join(every["text"]).split()) <= words


def test_the_seed_says_what_is_drawn(tiny, generator, tmp_path):
    run(tiny, tmp_path / "a", generator=generator)
    run(tiny, tmp_path / "b", generator=generator)
    run(tiny, tmp_path / "c", generator=generator, seed=2)
    files = [sha256(tmp_path / name / "queries.parquet") for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_documents_without_text_have_no_query():
    def write(texts, n, k):
        return [[f" {text} {k} ", f"{text} {k}", "", text][:n] for text in texts]

    settings = Settings(queries=4, top_k=2, depth=1, seed=1)
    rows, queries = written(write, ["bb", "", "a", "  "], settings)
    assert rows.tolist() == [0, 0, 2, 2]
    assert queries == ["bb 2", "bb", "a 2", "a"]  # distinct ones, without blanks around


def test_a_seq2seq_checkpoint_writes_in_its_place(tiny, tmp_path):
    folder = t5(tmp_path / "t5")
    every, told = run(tiny, tmp_path / "out", checkpoint=str(folder), depth=tiny_data.N)
    assert told["generator"] == str(folder) and told["distinct"] == len(every) > tiny_data.N
    # one token after the other, as transformers does: with k = 1 the likeliest
    model = Checkpoint(str(folder), torch.device("cpu"))
    texts = document_texts(read_corpus(tiny.collection))[:3]
    found = model(texts, 2, 1)
    for text, own in zip(texts, found, strict=True):
        source = torch.tensor([model.tokenizer(text)["input_ids"]])
        tokens = [0]
        with torch.inference_mode():
            while len(tokens) < 64 and tokens[-1] != 3:
                given = {"input_ids": source, "decoder_input_ids": torch.tensor([tokens])}
                tokens.append(int(model.model(**given).logits[0, -1].argmax()))
        right = model.tokenizer.decode(tokens, skip_special_tokens=True)
        assert own == [right, right]
    assert len({own[0] for own in found}) > 1


def test_a_pickle_is_never_loaded(tiny, tmp_path, monkeypatch):
    folder = t5(tmp_path / "t5", safe=False)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("a pickle was loaded"))
    with pytest.raises(InputError, match="no weights in safetensors"):
        run(tiny, tmp_path / "out", checkpoint=str(folder))
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_all_its_weights_is_refused(tmp_path):
    folder = t5(tmp_path / "t5")
    config = json.loads((folder / "config.json").read_text())
    config["num_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"lack encoder\.block\.2"):
        Checkpoint(str(folder), torch.device("cpu"))


@pytest.mark.parametrize("named", [{}, {"generator": Path("a"), "checkpoint": "b"}])
def test_one_of_the_two_writes(tiny, tmp_path, named):
    with pytest.raises(InputError, match="Name one of them"):
        run(tiny, tmp_path, **named)


def test_no_such_checkpoint(tiny, tmp_path):
    with pytest.raises(InputError, match=r"expand\.checkpoint: there is no folder"):
        run(tiny, tmp_path, checkpoint="./nowhere")


def runs(folder: Path) -> dict[str, str]:
    """Return {query_id: the first document} of the dev run."""
    with gzip.open(folder / "dev.trec.gz", "rt") as f:
        lines = [line.split() for line in f]
    return {line[0]: line[2] for line in lines if line[3] == "1"}


def test_bm25_finds_a_document_by_its_generated_query(tiny, tmp_path):
    dev = read_queries(tiny.collection, "dev")
    query_id, text = dev.iloc[0][["query_id", "text"]]
    path = tmp_path / "queries.parquet"
    given = {"doc_id": ["d7"] * 5, "text": [text] * 5, "rank": [1] * 5}
    write_generated(path, pd.DataFrame(given))
    for name, own in (("plain", {}), ("expanded", {"generated": path, "system": "bm25-expanded"})):
        (tmp_path / name).mkdir()
        out = [tmp_path / name / "dev.trec.gz"]
        own |= {"k1": [1.2], "b": [0.75], "k": 5}
        tiny_data.rank("bm25", tiny.collection, out, tmp_path / f"{name}.json", **own)
    assert runs(tmp_path / "expanded")[query_id] == "d7" != runs(tmp_path / "plain")[query_id]
    about = [json.loads((tmp_path / f"{n}.json").read_text()) for n in ("plain", "expanded")]
    assert [a["system"] for a in about] == ["bm25", "bm25-expanded"]
    assert about[1]["bytes"]["codes"] >= about[0]["bytes"]["codes"]


@pytest.fixture
def made(tiny, tmp_path) -> Path:
    """Return generated queries: two of every third document."""
    ids = read_doc_ids(tiny.collection)[::3].tolist()
    told = {"doc_id": ids * 2, "text": [f"made {d}" for d in ids] + [f"more {d}" for d in ids]}
    path = tmp_path / "made.parquet"
    write_generated(path, pd.DataFrame(told | {"rank": 1}))
    return path


def test_half_of_a_batch_of_asi_is_generated(tiny, made):
    encoder, kept = DualEncoder.load(tiny.encoder), np.arange(tiny_data.N)
    plain = Pairs(tiny.collection, encoder, kept, 1)
    pairs = Pairs(tiny.collection, encoder, kept, 1, made)
    ids = read_doc_ids(tiny.collection)
    assert pairs.queries[: pairs.real] == plain.queries and pairs.real == plain.real
    assert len(pairs.queries) == pairs.real + len(read_generated(made))
    seen = set()
    for step in range(12):
        batch = pairs(step, 20)
        of_made = batch.queries >= pairs.real
        assert of_made.sum() == 10 and not of_made[:10].all() and of_made[:10].any()
        for row, doc, never in zip(batch.queries, batch.docs, batch.never, strict=True):
            if row >= pairs.real:
                assert pairs.queries[row].split()[1] == ids[doc] and never.tolist() == [doc]
                seen.add(row)
            else:
                assert doc in plain.relevant[row]
    assert len(seen) == 120  # an epoch shows each of the 214 at most once
    assert (plain(3, 20).queries < plain.real).all()


def test_generated_queries_of_held_out_documents_are_left_out(tiny, made):
    kept = np.arange(0, tiny_data.N, 2)
    pairs = Pairs(tiny.collection, DualEncoder.load(tiny.encoder), kept, 1, made)
    ids = read_doc_ids(tiny.collection)
    right = [t for t in read_generated(made)["text"] if int(t.split()[1][1:]) % 2 == 0]
    assert pairs.queries[pairs.real :] == right
    for text, rows in zip(right, pairs.relevant[pairs.real :], strict=True):
        assert [ids[kept[row]] for row in rows] == text.split()[1:]
