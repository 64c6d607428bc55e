"""The generator: its probabilities, what is drawn from it, how it is trained, and its folder."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.basics.readers import read_safetensors
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.encode.encoder import DualEncoder
from jointir.expand.copying import EOS, OTHER, written
from jointir.expand.generator import Generator, ends
from jointir.expand.sampling import drawn, sample
from jointir.expand.sources import Sources
from jointir.expand.training import bare, doc2query
from jointir.train.curve import read_curve
from jointir.train.pairs import training_pairs

SETTINGS = {"steps": 8, "batch": 8, "lr": 5e-3, "warmup": 1, "seed": 1}
SETTINGS |= {"layers": 1, "source_length": 16, "checkpoint_minutes": 0}
train = tiny_data.flat(doc2query)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(tiny) -> Generator:
    encoder = DualEncoder.load(tiny.encoder)
    queries = bare(encoder, training_pairs(tiny.collection).texts)
    torch.manual_seed(0)
    found = Generator(encoder, written(queries, ends(encoder)[1]), 2)
    with torch.no_grad():
        for p in found.parameters():
            if p.requires_grad:
                p += 0.1 * torch.randn_like(p)  # so that tokens differ
    return found.eval()


@pytest.fixture(scope="module")
def source(tiny, model):
    texts = document_texts(read_corpus(tiny.collection))[:5]
    return Sources(model.encoder, texts)(np.arange(5))


def test_states_that_are_kept_are_those_that_are_made(tiny, model):
    texts = document_texts(read_corpus(tiny.collection))[:9]
    rows = np.array([4, 0, 7])
    made, kept = (Sources(model.encoder, texts, cached=c)(rows) for c in (False, True))
    assert (made.tokens == kept.tokens).all() and (made.valid == kept.valid).all()
    # kept in half precision; what is padding is of no use
    difference = (made.states - kept.states)[made.valid].abs().max()
    assert 0 < difference < 5e-3


def probabilities(model, source, tokens):
    """Return P float[V + T] of the next token of one source after `tokens`: nothing is kept."""
    before = torch.tensor([[model.bos, *tokens]])
    memory, x = model.memory(source), model.words(before)
    h = model.decoded(x, memory, source.valid)[0]
    return model.distribution(h, x, model.pointed(memory, source))[0, -1]


def of(source, row):
    """Return one of the sources, without its padding."""
    length = int(source.valid[row].sum())
    return type(source)(*(part[row : row + 1, :length] for part in source))


@torch.inference_mode()
def test_probabilities_sum_to_one_and_log_p_is_theirs(model, source):
    known = model.vocabulary.tolist()
    own = source.tokens[:, 3].tolist()  # a word of each document
    queries = [[known[2], own[b], known[3]][: 1 + b % 3] for b in range(5)]
    log_p, counts = model.log_p(source, queries)
    assert counts.sum(1).tolist() == [len(q) + 1 for q in queries]
    for b, query in enumerate(queries):
        one = of(source, b)
        for i, token in enumerate([*query, model.eos]):
            p = probabilities(model, one, query[:i])
            assert p.sum().item() == pytest.approx(1, abs=1e-5)
            at = (
                known.index(token)
                if token in known
                else len(known) + one.tokens[0].tolist().index(token)
            )
            assert log_p[b, i].item() == pytest.approx(p[at].log().item(), abs=1e-4)


def test_products_in_bfloat16_give_probabilities_in_float32(model, source):
    with torch.autocast("cpu", torch.bfloat16):
        p = probabilities(model, of(source, 0), [])
    assert p.dtype == torch.float32 and p.sum().item() == pytest.approx(1, abs=1e-5)
    exact = probabilities(model, of(source, 0), [])
    assert 0 < (p - exact).abs().max() < 0.02
    p.log()[p > 0].sum().backward()  # the gradient is there, too


def test_no_special_token_of_a_document_is_copied(model, source):
    p = probabilities(model, of(source, 0), [])
    tokens = of(source, 0).tokens[0].tolist()
    assert tokens[0] == model.bos and tokens[-1] == model.eos
    V = len(model.vocabulary)
    assert p[V] == 0 and p[V:].sum() > 0


@torch.inference_mode()
def test_the_likeliest_tokens_are_those_of_a_loop(model, source):
    """With k = 1 nothing is left to chance: the cache and the padding change nothing."""
    found = sample(model, source, 2, 1)
    lengths = set()
    for b in range(5):
        one, tokens = of(source, b), []
        known = [*model.vocabulary.tolist(), *one.tokens[0].tolist()]
        while len(tokens) < model.encoder.max_length["query"]:
            p = probabilities(model, one, tokens)
            p[OTHER] = 0
            token = known[int(p.argmax())]
            if token == model.eos:
                break
            tokens.append(token)
        assert found[b] == [tokens, tokens]
        lengths.add(tuple(tokens))
    assert len(lengths) > 1


def test_only_the_likeliest_k_are_drawn_each_as_often_as_it_is_likely():
    torch.manual_seed(0)
    p = torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15]).expand(4000, -1)
    found = torch.bincount(drawn(p, 3), minlength=5) / 4000
    right = torch.tensor([0, 0.4, 0, 0.3, 0.15]) / 0.85
    torch.testing.assert_close(found, right, atol=0.03, rtol=0)
    assert found[0] == found[2] == 0


@torch.inference_mode()
def test_what_cannot_be_written_is_never_drawn(model, source):
    with torch.no_grad():
        before = model.bias.clone()
        model.bias[OTHER] = 50.0
        try:
            found = sample(model, source, 4, 10)
        finally:
            model.bias.copy_(before)
    assert found and all(token >= 0 for own in found for query in own for token in query)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_safetensors(folder / "generator.safetensors")


def test_a_generator_is_read_as_it_was_written(tiny, model, source, tmp_path):
    model.save(tmp_path / "a")
    again = Generator.load(tmp_path / "a")
    with torch.inference_mode():
        pairs = [m.log_p(source, [[7, 9]] * 5)[0] for m in (model, again)]
    assert (pairs[0] == pairs[1]).all()
    with pytest.raises(InputError, match=r"holds no generator\.json"):
        Generator.load(tiny.encoder)


def of_tiny(tiny, out, **changes):
    given = {"collection": tiny.collection, "encoder": tiny.encoder, "out": out / "generator"}
    train(**given | {"scratch": out / "scratch"} | SETTINGS | changes)
    return out / "generator"


def test_it_learns_its_train_pairs(tiny, tmp_path):
    before = of_tiny(tiny, tmp_path / "a", steps=1, lr=1e-9)
    after = of_tiny(tiny, tmp_path / "b", steps=60, batch=20)
    pairs = training_pairs(tiny.collection)
    texts = document_texts(read_corpus(tiny.collection))
    found = []
    for folder in (before, after):
        model = Generator.load(folder)
        source = Sources(model.encoder, [texts[rows[0]] for rows in pairs.positives])
        queries = bare(model.encoder, pairs.texts)
        with torch.inference_mode():
            log_p, counts = model.log_p(source(np.arange(len(queries))), queries)
        found.append(log_p[counts].mean().item())
    assert found[1] > found[0] + 1


def changed(collection: Path, out: Path, splits: list[str]) -> Path:
    """Copy a collection; the queries of some splits become others."""
    (out / "qrels").mkdir(parents=True)
    for path in collection.rglob("*"):
        if path.is_file():
            (out / path.relative_to(collection)).write_bytes(path.read_bytes())
    queries = pd.read_parquet(out / "queries.parquet")
    of = queries["split"].isin(splits)
    queries.loc[of, "text"] = [f"w{i} w{i + 1} w{i}" for i in range(of.sum())]
    queries.to_parquet(out / "queries.parquet", index=False)
    return out


def test_no_query_of_dev_or_test_is_trained_on(tiny, tmp_path):
    """Were one, other queries there would make another generator, as other train queries do."""
    first = weights(of_tiny(tiny, tmp_path / "first"))
    for splits, same in ((["dev", "test"], True), (["train"], False)):
        name = "-".join(splits)
        other = changed(tiny.collection, tmp_path / f"{name}-collection", splits)
        given = {"collection": other}
        found = weights(of_tiny(tiny, tmp_path / name, **given))
        equal = all(
            torch.equal(found[k], first[k]) for k in first if found[k].shape == first[k].shape
        )
        assert equal == same
        assert torch.equal(found["vocabulary"], first["vocabulary"]) == same
    texts = set(read_queries(tiny.collection, "train")["text"])
    assert set(training_pairs(tiny.collection).texts) <= texts


def test_a_killed_training_goes_on_as_if_it_had_not_been(tiny, tmp_path):
    whole = of_tiny(tiny, tmp_path / "whole", validate_every=3)
    with tiny_data.killed(5):
        of_tiny(tiny, tmp_path / "killed", validate_every=3)
    resumed = of_tiny(tiny, tmp_path / "killed", validate_every=3)
    assert sha256(whole) == sha256(resumed)
    assert not (tmp_path / "killed" / "scratch").exists()


def test_the_weights_that_dev_likes_best_are_kept(tiny, tmp_path):
    """At a rate that destroys it, the start stays; and the curve has dev's mean log p."""
    curve = tmp_path / "curve.csv"
    start = of_tiny(tiny, tmp_path / "start", steps=1, lr=1e-12)
    given = {"validate_every": 2, "out_curve": curve}
    kept = of_tiny(tiny, tmp_path / "kept", steps=4, lr=1.0, warmup=0, **given)
    rows = read_curve(curve)
    assert rows["step"].tolist() == [0, 2, 4] and rows["kept"].tolist() == [1, 0, 0]
    for name, value in weights(start).items():
        torch.testing.assert_close(weights(kept)[name], value, atol=1e-6, rtol=0)
    model = Generator.load(start)
    qrels = pd.read_csv(tiny.collection / "qrels/dev.trec", sep=" ", header=None)
    relevant = qrels[qrels[3] > 0].groupby(0)[2].first()
    corpus = read_corpus(tiny.collection)
    texts = dict(zip(corpus["doc_id"], document_texts(corpus), strict=True))
    values = []
    for query_id, text in read_queries(tiny.collection, "dev")[["query_id", "text"]].to_numpy():
        one = Sources(model.encoder, [texts[relevant[query_id]]])(np.array([0]))
        with torch.inference_mode():
            values.append(model.log_p(one, bare(model.encoder, [text]))[0].mean().item())
    assert rows["value"][0] == pytest.approx(
        np.mean(values), abs=2e-3
    )  # states are kept as float16


def test_queries_come_without_prompt_and_special_tokens(tiny):
    encoder = DualEncoder.load(tiny.encoder)
    known = encoder.model.tokenizer
    (found, cut) = bare(encoder, ["w3 unknown w5", " ".join(["w1"] * 20)])
    assert known.convert_ids_to_tokens(found) == ["w3", "w5"]
    assert len(cut) == encoder.max_length["query"] - 1
    assert written([found], ends(encoder)[1])[EOS] == known.sep_token_id


def test_a_tokenizer_without_an_end_is_refused(tiny, tmp_path):
    for path in tiny.encoder.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(tiny.encoder)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(tiny.encoder)).write_bytes(path.read_bytes())
    (config,) = tmp_path.rglob("tokenizer_config.json")
    told = json.loads(config.read_text())
    told = {k: v for k, v in told.items() if k not in ("sep_token", "cls_token")}
    config.write_text(json.dumps(told))
    with pytest.raises(InputError, match="no tokens for the begin and the end"):
        ends(DualEncoder.load(tmp_path))
