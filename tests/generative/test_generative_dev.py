"""What dev says on the way of a training of generative retrieval, and the weights that are kept."""

import numpy as np
import pandas as pd
import pytest
import torch

import tiny as tiny_data
from jointir.basics.files import sha256
from jointir.generative import dev
from jointir.generative.asi import asi
from jointir.generative.controls import fixed_ids
from jointir.generative.dev import ByModule, State, identifier_validation, ranked
from jointir.generative.holdout import seen_documents
from jointir.generative.indexers import make_indexer
from jointir.generative.model import GenerativeRetriever
from jointir.generative.train_decoder import train_decoder
from jointir.methods.arguments import DevOptions
from jointir.train.curve import read_curve
from jointir.train.dev import Dev
from jointir.train.validation import Validation
from test_generative_train_decoder import SETTINGS as OF_DECODER
from test_generative_training import SETTINGS as OF_ASI

V, L, N = 5, 3, 40
MEASURED = {"validate_every": 2, "dev_measures": ["RR@10", "R@10"]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def state(n=N, queries=7):
    torch.manual_seed(3)
    indexer = make_indexer("mlp", 8, L, V).eval()
    e = torch.randn(queries, 8)
    ids = np.random.default_rng(0).integers(0, V, (n, L))
    return State(e, ids, ByModule(indexer))


def probabilities(own: State) -> np.ndarray:
    """Return log p of each document's identifier, float[Q, n]: a slow loop."""
    with torch.no_grad():
        log_p = own.decoder.indexer.log_p(own.e).numpy()
    found = np.zeros((len(own.e), len(own.ids)))
    for q, d in np.ndindex(found.shape):
        found[q, d] = sum(log_p[q, i, token] for i, token in enumerate(own.ids[d]))
    return found


def test_documents_stand_by_the_probability_of_their_identifiers(monkeypatch):
    monkeypatch.setattr(dev, "BEAM", V**L)  # which then loses nothing
    own = state()
    assert len(np.unique(own.ids, axis=0)) < N  # some share one: in the corpus' order
    found = ranked(own, N + 3)
    assert (found[:, N:] == -1).all()
    for row, log_p in zip(found[:, :N], probabilities(own), strict=True):
        assert sorted(row) == list(range(N))
        assert row.tolist() == np.lexsort((np.arange(N), -log_p.round(5))).tolist()


def test_a_beam_finds_as_many_identifiers_and_their_documents():
    own = state(n=200)
    found = ranked(own, 100)
    for row in found:
        row = row[row >= 0]
        groups = {tuple(own.ids[d]) for d in row}
        assert len(groups) == dev.BEAM
        assert len(row) == sum(tuple(each) in groups for each in own.ids)
        assert len(set(row)) == len(row)
    assert ranked(own, 3).tolist() == found[:, :3].tolist()


def test_of_dev_the_queries_of_unseen_documents_are_left_out(tiny):
    kept = seen_documents(tiny_data.N, 0.5, 1)
    asked = []

    def begin(texts):
        asked.extend(texts)
        ids = np.arange(len(kept))[:, None]
        decoder = GenerativeLast(len(kept))
        return lambda: State(torch.zeros(len(texts), 1), ids, decoder)

    options = DevOptions(dev_measures=["R@10"], validate_every=1)
    values = identifier_validation(tiny.collection, options, kept, begin).values()
    qrels = pd.read_csv(
        tiny.collection / "qrels/dev.trec", sep=" ", header=None, names=["q", "i", "d", "r"]
    )
    names = {f"d{row}" for row in kept}
    seen = qrels[qrels["d"].isin(names) & qrels["r"].gt(0)]["q"].unique()
    assert len(asked) == len(seen) < qrels["q"].nunique()
    last = {f"d{row}" for row in kept[-10:]}
    told = qrels[qrels["q"].isin(seen) & qrels["r"].gt(0)]
    expected = told.assign(found=told["d"].isin(last)).groupby("q")["found"].mean()
    assert values.shape == (1, len(seen)) and values.sum() == pytest.approx(expected.sum())
    assert identifier_validation(tiny.collection, options, kept[:0], begin) is None
    assert identifier_validation(tiny.collection, DevOptions(), kept, begin) is None


class GenerativeLast:
    """A decoder of one position that prefers the last tokens, whatever it is asked."""

    L = 1

    def __init__(self, V: int):
        self.V = V

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        return torch.arange(float(self.V)).expand(len(e), 1, -1)


def trained(tiny, out, **changed):
    """Train ASI into `out`; return its curve."""
    inputs = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
    options = DevOptions(out_curve=out / "joint.csv", **MEASURED)
    paths = {"out": out / "joint", "scratch": out / "scratch"}
    tiny_data.flat(asi)(**inputs, **paths, **OF_ASI | changed, dev=options)
    return read_curve(out / "joint.csv")


@pytest.mark.parametrize("stage", ["joint", "decoder"])
def test_a_killed_training_resumes_with_the_same_choice(tiny, tmp_path, stage):
    run = {"joint": trained, "decoder": decoded}[stage]
    whole = run(tiny, tmp_path / "a")
    with tiny_data.killed(after=4):
        run(tiny, tmp_path / "b")
    pd.testing.assert_frame_equal(run(tiny, tmp_path / "b"), whole)
    assert sha256(tmp_path / "a" / stage) == sha256(tmp_path / "b" / stage)


def decoded(tiny, out, kind="residual", **changed):
    """Train a decoder of given identifiers into `out`; return its curve."""
    shape = {"indexer": "mlp", "length": 3, "vocabulary": 16, "decoder": "prefix", "layers": 1}
    shape |= {"width": 64, "prototypes": 2, "kind": kind, "seed": 1}
    paths = {"out": out / "start", "out_ids": out / "ids.parquet"}
    if not paths["out"].exists():
        fixed_ids(tiny.collection, tiny.encoder, tiny.docs, **paths, **shape)
    options = DevOptions(out_curve=out / "decoder.csv", **MEASURED)
    given = (tiny.collection, paths["out"], paths["out_ids"], tiny.docs, out / "decoder")
    settings = OF_DECODER | changed
    tiny_data.flat(train_decoder)(*given, out / "scratch", **settings, dev=options)
    return read_curve(out / "decoder.csv")


@pytest.fixture
def scripted(monkeypatch):
    """Let dev say what the test does; return the weights at each measurement."""
    seen, say = [], iter([0.1, 0.2, 0.9, 0.3])
    look = Validation.look

    def looked(self, step, module):
        seen.append({n: p.detach().clone() for n, p in module.named_parameters()})
        look(self, step, module)

    def values(self, rows):
        assert rows.shape[0] == len(self.texts) and (rows >= 0).any()
        return np.full((len(self.measures), len(self.texts)), next(say))

    monkeypatch.setattr(Validation, "look", looked)
    monkeypatch.setattr(Dev, "values", values)
    return seen


@pytest.mark.parametrize("stage", ["joint", "decoder"])
def test_the_weights_that_are_best_on_dev_are_saved(tiny, tmp_path, scripted, stage):
    curve = {"joint": trained, "decoder": decoded}[stage](tiny, tmp_path, steps=6)
    assert curve["step"].tolist() == [0, 2, 4, 6] and curve["kept"].tolist() == [0, 0, 1, 0]
    assert curve["value"].tolist() == [0.1, 0.2, 0.9, 0.3] and set(curve["measure"]) == {"RR@10"}
    module = GenerativeRetriever.load(tmp_path / stage)
    module = module if stage == "joint" else module.decoder
    saved = dict(module.named_parameters())
    best, last = ({n.removeprefix("model."): p for n, p in s.items()} for s in scripted[2:])
    assert len(saved) > 5 and saved.keys() <= best.keys()
    assert all(torch.equal(saved[name], best[name]) for name in saved)
    assert any(not torch.equal(saved[name], last[name]) for name in saved)
