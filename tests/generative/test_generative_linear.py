"""A softmax over documents: its start, its beam, and what it is in the tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import normalize

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.data.store import read_queries
from jointir.encode.encoder import DualEncoder
from jointir.generative.beam import beam_search
from jointir.generative.controls import fixed_ids
from jointir.generative.decoder import make_decoder
from jointir.generative.generate import HYBRID, generate, sizes
from jointir.generative.linear import NOBODY
from jointir.generative.model import GenerativeRetriever, Shape
from jointir.generative.train_decoder import _start, train_decoder
from jointir.generative.tree import PrefixTree
from jointir.measure.identifiers import id_statistics

D, N, B, UNIT, SCALE = 16, 40, 6, 4.0, 12.0
OTHER_SEED = SimpleNamespace(vectors="random", seed=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def scene():
    """A decoder of 40 tokens that knows 37 documents of norm 2, two of which share one."""
    torch.manual_seed(0)
    decoder = make_decoder("linear", D, 1, N, layers=1, width=8, K=2, unit=UNIT)
    docs = 2 * normalize(torch.randn(37, D))
    ids = torch.arange(37)[:, None]
    ids[36] = 5
    decoder.begin(ids, docs, SCALE)
    return decoder, docs, 2 * normalize(torch.randn(B, D))


def test_it_begins_as_the_posterior_of_the_documents(scene):
    decoder, docs, e = scene
    with torch.no_grad():
        log_p = decoder.log_p(e, torch.zeros(B, 0, dtype=torch.long))
    scores = SCALE * e @ docs.T / UNIT
    expected = torch.full((B, N), NOBODY)
    expected[:, :36] = scores[:, :36]
    both = SCALE * e @ (0.5 * (docs[5] + docs[36])) / UNIT
    expected[:, 5] = both + np.log(2)
    torch.testing.assert_close(log_p[:, 0], expected.log_softmax(1))


@pytest.mark.parametrize("constrained", [False, True])
def test_the_beam_is_the_top_k_of_vectors_and_bias(scene, constrained):
    decoder, _, e = scene
    with torch.no_grad():
        decoder.bias += torch.randn(N)
        decoder.vectors += 0.1 * torch.randn(N, D)
    existing = np.setdiff1d(np.arange(N), [3, 7, 39])[:, None]
    tree = PrefixTree(existing, N) if constrained else None
    ids, scores = beam_search(decoder, e, 10, tree)
    assert ids.shape == (B, 10, 1)
    for query, found, values in zip(e, ids[:, :, 0], scores, strict=True):
        logits = [
            float((query * (D / UNIT) ** 0.5) @ vector + bias)
            for vector, bias in zip(decoder.vectors.detach(), decoder.bias.detach(), strict=True)
        ]
        total = np.log(np.exp(logits).sum())
        allowed = existing[:, 0] if constrained else range(N)
        best = sorted(allowed, key=lambda v: -logits[v])[:10]
        assert found.tolist() == best
        np.testing.assert_allclose(values, [logits[v] - total for v in best], rtol=1e-4)


def test_a_beam_as_wide_as_the_documents_finds_each_once(scene):
    decoder, _, e = scene
    ids, _ = beam_search(decoder, e, 100)
    assert ids.shape == (B, N, 1)
    assert all(sorted(found.tolist()) == list(range(N)) for found in ids[:, :, 0])


def test_teacher_forcing_is_the_first_step(scene):
    decoder, _, e = scene
    with torch.no_grad():
        ids = torch.arange(B)[:, None]
        assert torch.equal(decoder(e, ids), decoder.log_p(e, ids[:, :0]))


def test_it_writes_one_token_alone():
    with pytest.raises(InputError, match=r"asi\.decoder: linear writes one token, and .* has 4"):
        make_decoder("linear", D, 4, N, layers=1, width=8, K=2)


def test_its_weights_and_identifiers_are_counted(tiny):
    """The encoder, a vector and a bias a document; two bytes for each of more than 256 tokens."""
    encoder = DualEncoder.load(tiny.encoder)
    docs = np.load(tiny.docs)
    n, dim = docs.shape
    model = GenerativeRetriever(encoder, Shape("none", 1, n, "linear", 1, 8, 2))
    own = sum(p.numel() for p in encoder.parameters())
    assert sum(p.numel() for p in model.parameters()) == own + n * (dim + 1)
    found = sizes(model, docs, HYBRID)
    of_encoder = sum(t.numel() * t.element_size() for t in encoder.state_dict().values())
    assert found["model"] == of_encoder + 4 * n * (dim + 1)
    assert found["identifiers"] == 2 * n and found["embeddings"] == docs.nbytes


def test_statistics_of_one_position():
    found = id_statistics(np.arange(N)[:, None], N)
    assert found["unique ids"] == N and found["alone"] == 1 and found["empty share"] == 0
    assert found["documents an id, mean"] == found["documents an id, max"] == 1
    assert found["entropy 1"] == pytest.approx(np.log2(N)) and "entropy 2" not in found


@tiny_data.on_processor("")
def test_from_documents_to_answers(tiny, tmp_path):
    """The whole way of DSI's atomic identifiers, which begin as the encoder's own search."""
    made = {"out": tmp_path / "joint", "out_ids": tmp_path / "ids.parquet"}
    shape = {"indexer": "none", "length": 1, "vocabulary": 0, "decoder": "linear", "layers": 1}
    shape |= {"width": 8, "prototypes": 2, "seed": 1}
    fixed_ids(tiny.collection, tiny.encoder, tiny.docs, **made, kind="atomic", **shape)
    settings = {"steps": 1, "batch": 8, "lr": 1e-9, "warmup": 0, "seed": 1, "checkpoint_minutes": 1}
    settings |= {"queries": 4, "sentences": 0, "moved": 0.0, "nearby": 0.0, "scale": 20.0}
    settings |= dict.fromkeys(("general", "search", "dropout", "consistency", "holdout"), 0.0)
    paths = {"ids": made["out_ids"], "docs": tiny.docs}
    outs = {"out": tmp_path / "model", "scratch": tmp_path / "scratch"}
    learn = tiny_data.flat(train_decoder)
    learn(tiny.collection, made["out"], **paths, **outs, **settings, vectors="embeddings")
    runs = {"out": tmp_path / "answers.parquet", "meta": tmp_path / "meta.json"}
    runs |= {"runs": [tmp_path / "test.trec.gz"], "dataset": "d", "system": "s", "seed": 1}
    generate(tiny.collection, tmp_path / "model", **paths, **runs, beam=10, hybrid_beam=20)
    answers = pd.read_parquet(runs["out"])
    own = answers[answers["decoding"].eq("free")].groupby("query_id")["id_1"].agg(list)
    topics = read_queries(tiny.collection, "test")
    encoder = DualEncoder.load(tiny.encoder)
    with torch.inference_mode():
        e = encoder(encoder.tokenize(topics["text"].tolist(), "query")).numpy()
    scores = e @ np.load(tiny.docs).astype(np.float32).T
    found = scores.argsort(1)[:, ::-1][:, :10]
    same = [set(own[q]) == set(rows) for q, rows in zip(topics["query_id"], found, strict=True)]
    assert np.mean(same) > 0.9  # but for what is rounded at rank 10


def test_vectors_may_start_from_nothing(tiny, tmp_path):
    docs = torch.from_numpy(np.load(tiny.docs).astype(np.float32))
    known = _start(docs, SimpleNamespace(vectors="embeddings", seed=1))
    drawn = _start(docs, SimpleNamespace(vectors="random", seed=1))
    assert known is docs
    torch.testing.assert_close(drawn.norm(dim=1), docs.norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity(drawn, docs)
    assert cosine.abs().mean() < 0.2 and not torch.equal(drawn, _start(docs, OTHER_SEED))
