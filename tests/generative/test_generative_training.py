"""The pairs, the objective, and whole trainings on a tiny collection."""

import inspect

import numpy as np
import pandas as pd
import pytest
import torch

import jointir.generative.asi as module
import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.encode.encoder import DualEncoder
from jointir.generative.asi import asi, make_objective
from jointir.generative.assign import assign_ids
from jointir.generative.generate import generate
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import read_ids
from jointir.generative.model import GenerativeRetriever, Shape
from jointir.generative.objective import Criteria, Indexed, Objective, nearest
from jointir.generative.pairs import Pairs

N, L, V = tiny_data.N, 3, 16
SETTINGS = {
    **{"indexer": "mlp", "length": L, "vocabulary": V, "steps": 6, "batch": 12},
    **{"decoder": "prefix", "layers": 1, "width": 16, "prototypes": 2},
    **{
        "fresh": 4,
        "encode_every": 1,
        "pool": 40,
        "decoded": 10,
        "nearest": 3,
        "refresh": 2,
        "lr": 1e-3,
    },
    **{"head_lr": 1e-2, "warmup": 1, "alpha": 3.0, "gamma": 0.05, "beta": 0.01},
    **{"lambda_first": 0.01, "lambda_last": 0.25, "scale": 20.0, "seed": 1},
    "checkpoint_minutes": 0,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def train_asi(tiny, out, **changed):
    """Train into `out`/model; return its hash."""
    inputs = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
    paths = {"out": out / "model", "scratch": out / "scratch"}
    tiny_data.flat(asi)(**inputs, **paths, **SETTINGS | changed)
    return sha256(out / "model")


def test_the_same_seed_gives_the_same_model(tiny, tmp_path):
    assert train_asi(tiny, tmp_path / "a") == train_asi(tiny, tmp_path / "b")
    assert train_asi(tiny, tmp_path / "c", seed=2) != sha256(tmp_path / "a" / "model")


@pytest.mark.parametrize("killed_at", [3, 4])
def test_killed_and_resumed_is_uninterrupted(tiny, tmp_path, monkeypatch, capsys, killed_at):
    whole = train_asi(tiny, tmp_path / "a")
    right = Objective.loss

    def dies(self, step, *rest):
        if step == killed_at:
            raise KeyboardInterrupt
        return right(self, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "loss", dies)
        with pytest.raises(KeyboardInterrupt):
            train_asi(tiny, tmp_path / "b")
    assert not (tmp_path / "b" / "model").exists()
    assert train_asi(tiny, tmp_path / "b") == whole
    assert f"resumed after step {killed_at // 2 * 2}" in capsys.readouterr().err
    assert not (tmp_path / "b" / "scratch").exists()


@pytest.mark.parametrize(
    ("kind", "decoder"), [("mlp", "prefix"), ("mlp", "bart"), ("pq", "prefix"), ("rq", "prefix")]
)
def test_every_module_trains_assigns_and_answers(tiny, tmp_path, kind, decoder):
    train_asi(tiny, tmp_path, indexer=kind, decoder=decoder, length=4)
    model, ids = tmp_path / "model", tmp_path / "ids.parquet"
    assign_ids(tiny.collection, model, ids, tmp_path / "docs.npy")
    doc_ids, found = read_ids(ids)
    assert doc_ids == [f"d{i}" for i in range(N)]
    assert found.shape == (N, 4) and found.min() >= 0 and found.max() < V
    about = {"dataset": "tiny", "system": "asi++", "seed": 1, "meta": tmp_path / "meta.json"}
    out, runs = tmp_path / "answers.parquet", [tmp_path / f"{s}.trec.gz" for s in ("dev", "test")]
    generate(tiny.collection, model, ids, tmp_path / "docs.npy", out, runs, **about)
    answers = pd.read_parquet(out)
    lists = answers.groupby(["split", "decoding", "query_id"])
    assert len(lists) == 40 and lists["rank"].agg(list).map(lambda r: r == [*range(1, 11)]).all()
    assert lists["score"].agg(lambda s: s.is_monotonic_decreasing).all()
    constrained = answers[answers["decoding"].eq("constrained")]
    existing = {tuple(row) for row in found.tolist()}
    columns = ["id_1", "id_2", "id_3", "id_4"]
    assert {tuple(row) for row in constrained[columns].to_numpy().tolist()} <= existing


@tiny_data.on_processor("")
def test_new_documents_get_ids_without_retraining(tiny, tmp_path):
    train_asi(tiny, tmp_path)
    model = GenerativeRetriever.load(tmp_path / "model")
    assign_ids(tiny.collection, tmp_path / "model", tmp_path / "ids.parquet", tmp_path / "e.npy")
    known = read_ids(tmp_path / "ids.parquet")[1]
    from jointir.data.store import document_texts, read_corpus

    texts = document_texts(read_corpus(tiny.collection))
    for row in (0, 7):
        e = model.encoder(model.encoder.tokenize([texts[row]], "document"))
        assert model.indexer.ids(e)[0].tolist() == known[row].tolist()
        kept = np.load(tmp_path / "e.npy")[row]
        np.testing.assert_allclose(kept, e[0].detach().numpy(), atol=1e-3)  # float16


def objective(tiny, **criteria):
    """Return an objective over a fresh model, every criterion on but for those given."""
    torch.manual_seed(0)
    dual = DualEncoder.load(tiny.encoder)
    names = inspect.signature(Criteria).parameters
    values = {"density": True, "bottleneck": True, "information": True}
    values |= SETTINGS | criteria
    chosen = Criteria(**{name: values[name] for name in names})
    model = GenerativeRetriever(dual, Shape("mlp", L, V, "prefix", 1, 16, 2))
    pairs = Pairs(tiny.collection, dual, np.arange(N), 1)
    whole = make_objective(model, np.load(tiny.docs), pairs, chosen)
    whole.documents.refresh(model.indexer)
    return whole


def encoded(whole, step=0, batch=12, fresh=4):
    """Return one step's pairs and tensors."""
    drawn = whole.pairs(step, batch)
    return drawn, whole.encode(drawn, fresh, np.random.default_rng(step))


def test_gradients_reach_encoder_module_and_decoder_but_not_the_banks(tiny):
    whole = objective(tiny).train()
    whole.loss(1, 12, 4).backward()
    for part in (whole.model.encoder, whole.model.indexer, whole.model.decoder):
        assert sum(p.grad.abs().sum() for p in part.parameters() if p.grad is not None) > 0
    assert whole.documents.embeddings.grad is None and whole.queries.embeddings.grad is None


def test_the_log_has_the_share_of_each_criterion(tiny, tmp_path, capsys):
    train_asi(tiny, tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "L_c " in line]
    assert len(lines) == 3  # of six steps, at every second
    for name in ("L_c", "collisions", "L_CE", "L_di", "L_bot", "L_ib", "quantization"):
        assert f"{name} " in lines[0]


def test_the_terms_are_those_that_the_loss_adds(tiny):
    whole = objective(tiny).train()
    loss = whole.loss(1, 12, 4)
    terms = whole.terms()
    assert sum(terms.values()) == pytest.approx(loss.item(), rel=1e-5)
    assert terms["L_ib"] > 0 and terms["quantization"] == 0


@pytest.mark.parametrize("name", ["density", "bottleneck", "information"])
def test_each_criterion_can_be_left_out(tiny, name):
    losses_of = []
    for on in (True, False):
        whole = objective(tiny, **{name: on}).eval()
        losses_of.append(whole.loss(1, 12, 4).item())
    assert losses_of[0] != losses_of[1]


def test_asi_is_eq_3_alone(tiny):
    off = {"density": False, "bottleneck": False, "information": False}
    whole = objective(tiny, **off).eval()
    with_all, without = objective(tiny).eval().loss(1, 12, 4), whole.loss(1, 12, 4)
    _, x = encoded(whole, 1)
    indexer = whole.model.indexer
    y = Indexed(indexer.log_p(x.e_q), indexer.log_p(x.e_pool), indexer.ids(x.e_q))
    assert whole.plus(x, y) == {} and with_all > without > 0


def test_relevant_documents_are_never_negatives(tiny):
    whole = objective(tiny)
    for step in range(6):
        drawn, x = encoded(whole, step, batch=30)
        assert not x.irrelevant.diagonal().any()
        for a, relevant in enumerate(drawn.never):
            for b, row in enumerate(drawn.docs):
                assert x.irrelevant[a, b].item() == (row not in relevant)


@tiny_data.on_processor("")
def test_fresh_pairs_are_encoded_and_kept(tiny):
    whole = objective(tiny)
    whole.documents.embeddings.data.zero_()
    whole.queries.embeddings.data.zero_()
    drawn, x = encoded(whole)
    assert x.fresh == 4
    for bank, rows, e in (
        (whole.documents, drawn.docs[4:8], x.e_pool[4:8]),
        (whole.queries, drawn.queries[:4], x.e_q[:4]),
    ):
        kept = bank.embeddings.detach()
        torch.testing.assert_close(kept[rows], e.detach())
        assert kept[np.setdiff1d(np.arange(len(bank)), rows)].abs().sum() == 0
        assert e.norm(dim=1).min() > 0.9
    expected = whole.model.encoder(whole.pairs.document_tokens(drawn.docs[4:8]))
    torch.testing.assert_close(x.e_pool[4:8], expected)


def test_no_pair_is_fresh_on_both_sides(tiny):
    """Else the encoder tells relevant documents by their freshness, and forgets what they say."""
    whole = objective(tiny)
    whole.documents.embeddings.data.zero_()
    whole.queries.embeddings.data.zero_()
    _, x = encoded(whole)
    fresh_query, fresh_document = x.e_q.norm(dim=1) > 0, x.e_pool[: len(x.e_q)].norm(dim=1) > 0
    assert fresh_query.sum() == fresh_document.sum() == 4
    assert not (fresh_query & fresh_document).any()


@tiny_data.on_processor("")
def test_the_banks_begin_with_all_embeddings(tiny):
    whole = objective(tiny)
    tokens = whole.pairs.query_tokens(np.arange(len(whole.queries)))
    torch.testing.assert_close(whole.queries.embeddings, whole.model.encoder(tokens))
    assert len(whole.documents) == N


@tiny_data.on_processor("")
def test_with_nothing_fresh_the_indexing_module_learns_alone(tiny):
    whole = objective(tiny).train()
    banks = [bank.embeddings.detach().clone() for bank in (whole.documents, whole.queries)]
    whole.loss(1, 12, 0).backward()
    assert all(p.grad is None for p in whole.model.encoder.parameters())
    assert all(p.grad is None for p in whole.model.decoder.parameters())
    assert all(p.grad.abs().sum() > 0 for p in whole.model.indexer.parameters())
    assert torch.equal(whole.documents.embeddings, banks[0])
    assert torch.equal(whole.queries.embeddings, banks[1])


def test_pairs_are_encoded_every_so_many_steps(tiny, tmp_path, monkeypatch):
    found, right = [], Objective.loss

    def spy(self, step, batch, fresh):
        found.append(fresh)
        return right(self, step, batch, fresh)

    monkeypatch.setattr(Objective, "loss", spy)
    train_asi(tiny, tmp_path, encode_every=3)
    assert found == [4, 0, 0, 4, 0, 0]


def test_lambda_grows_over_the_first_epoch(tiny):
    criteria = objective(tiny).criteria
    assert [criteria.coefficient(s, 4) for s in (0, 2, 4, 9)] == pytest.approx(
        [0.01, 0.13, 0.25, 0.25]
    )


def test_nearest_are_the_nearest_of_those_that_count():
    apart = torch.tensor([[0.0, 1.0, 2.0, 3.0], [3.0, 0.0, 1.0, 2.0]])
    mask = torch.tensor([[False, True, True, True], [True, False, False, True]])
    assert nearest(apart, mask, 2).tolist() == [
        [False, True, True, False],
        [True, False, False, True],
    ]
    assert nearest(apart, mask, 9).tolist() == mask.tolist()


def test_what_is_held_out_is_not_seen(tiny):
    kept = seen_documents(N, 0.25, seed=1)
    assert len(kept) == 0.75 * N and (np.diff(kept) > 0).all()
    pairs = Pairs(tiny.collection, DualEncoder.load(tiny.encoder), kept, 1)
    everything = Pairs(tiny.collection, DualEncoder.load(tiny.encoder), np.arange(N), 1)
    assert 0 < len(pairs.queries) < len(everything.queries)
    rows = dict(zip(everything.queries, everything.relevant, strict=True))
    for text, own in zip(pairs.queries, pairs.relevant, strict=True):
        assert kept[own].tolist() == rows[text].tolist()
    assert pairs.document_tokens([3]) == everything.document_tokens(kept[[3]])


def test_bad_input_is_named(tiny, tmp_path):
    with pytest.raises(InputError, match=r"asi\.fresh"):
        train_asi(tiny, tmp_path, fresh=7)
    with pytest.raises(InputError, match=r"asi\.vocabulary"):  # half of 320 documents
        train_asi(tiny, tmp_path, vocabulary=256, holdout=0.5)
    for changed in ({"indexer": "none"}, {"length": 0}, {"vocabulary": 1}):
        (name,) = changed
        with pytest.raises(InputError, match=rf"asi\.{name}: "):
            train_asi(tiny, tmp_path, **changed)
    with pytest.raises(InputError, match=r"--vocabulary: 400 is not at most 256"):
        train_asi(tiny, tmp_path, vocabulary=400)
    np.save(tmp_path / "few.npy", np.load(tiny.docs)[:5])
    with pytest.raises(InputError, match=r"few\.npy.*holds 5 embeddings"):
        tiny_data.flat(asi)(
            *(tiny.collection, tiny.encoder, tmp_path / "few.npy"),
            **{"out": tmp_path / "x", "scratch": tmp_path / "y"},
            **SETTINGS,
        )
    with pytest.raises(InputError, match=r"generative\.json"):
        GenerativeRetriever.load(tiny.encoder)
    assert not (tmp_path / "model").exists() and module.__name__ == "jointir.generative.asi"
