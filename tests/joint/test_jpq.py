"""JPQ's scores, negatives and loss against loops over one query, and what its stage may change."""

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.joint.index import TrainablePQ
from jointir.joint.jpq import JPQ, Criterion, jpq
from jointir.quantize.pq import PQ, read_pq
from jointir.search.index import index_bytes
from jointir.train.pairs import training_pairs
from jointir.train.queries import pad
from test_lambdarank import pair_weights
from tiny import LENGTHS, D, M, N, build, flat, make, save_encoder

WORDS = "model.0.model.embeddings.word_embeddings.weight"
OPTIONS = {"steps": 30, "batch": 8, "negatives": 20, "lr": 1e-3, "centroid_lr": 1e-2}
OPTIONS |= {"warmup": 3, "lambda_cut": 10, "scale": 20.0, "seed": 5, "mined_from": "all"}


def batch_loss(model: JPQ, tokens: list, relevant: list, *rest: object) -> torch.Tensor:
    """Return the loss of one batch in float32."""
    (queries,) = model.embed(tokens, bf16=False)
    return model.loss(queries, *pad(relevant), *rest)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("jpq"))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """Return the folder in which the stage wrote index.faiss and encoder."""
    out = tmp_path_factory.mktemp("trained")
    paths = (out / "index.faiss", out / "encoder", out / "scratch")
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS)
    return out


def test_scores_are_inner_products_with_decoded_documents(tiny):
    pq, queries = read_pq(tiny.opq), np.load(tiny.queries)
    index = TrainablePQ(pq)
    rows = np.random.default_rng(0).integers(0, N, (len(queries), 30))
    found = index.scores(torch.from_numpy(queries), torch.from_numpy(rows)).detach().numpy()
    for q, own, scores in zip(queries, rows, found, strict=True):
        np.testing.assert_allclose(scores, pq.decode(own) @ (pq.rotation @ q), atol=1e-5)


def test_scores_and_order_are_those_of_a_faiss_search(tiny):
    queries = np.load(tiny.queries)
    scores, rows = faiss.read_index(str(tiny.opq)).search(queries, N)
    index = TrainablePQ(read_pq(tiny.opq))
    found = index.scores(torch.from_numpy(queries), torch.from_numpy(rows)).detach()
    np.testing.assert_allclose(found, scores, atol=1e-5)
    nothing = torch.zeros(len(queries), 1, dtype=torch.long)
    top = index.top_negatives(torch.from_numpy(queries), nothing, nothing.bool(), 50)
    by_top = index.scores(torch.from_numpy(queries), top).detach()
    np.testing.assert_allclose(by_top, scores[:, :50], atol=1e-5)


def loop_loss(model: JPQ, tokens, relevant, n: int, cut: int, scale: float) -> torch.Tensor:
    """Eq. 21, a query and a pair at a time, on reconstructed documents (eq. 14, 15)."""
    index, losses = model.index, []
    M = index.centroids.shape[0]
    for own, positives in zip(tokens, relevant, strict=True):
        q = index.rotation @ model.encoder([own])[0]
        s = []
        for code in index.codes.tolist():
            s.append(torch.cat([index.centroids[i, code[i]] for i in range(M)]) @ q)
        others = [d for d in range(len(s)) if d not in positives]
        others = sorted(others, key=lambda d: -s[d].item())[:n]
        plus, minus = [s[d] for d in positives], [s[d] for d in others]
        values = ([x.item() for x in plus], [x.item() for x in minus])
        for (i, j), weight in pair_weights(*values, cut).items():
            losses.append(weight * torch.log1p(torch.exp(scale * (minus[j] - plus[i]))))
    return sum(losses) / len(tokens)


@pytest.mark.parametrize("last", [[59], [*range(3, 60)]], ids=["one", "all but 3"])
def test_batch_loss_and_its_gradients_equal_the_loop(tiny, last):
    pq = read_pq(tiny.opq)
    few = PQ(pq.rotation, pq.centroids, np.unique(pq.codes, axis=0)[:60])
    texts, relevant = ["w1 w2 w3", "w4", "w5 w6 w7 w8"], [np.array([3]), np.array([9, 50]), last]
    relevant = [np.array(r) for r in relevant]
    gradients, values = [], []
    for way in ("batch", "loop"):
        model = JPQ(DualEncoder.load(tiny.encoder), TrainablePQ(few)).eval()
        tokens = model.encoder.tokenize(texts, "query")
        if way == "batch":
            loss = batch_loss(model, tokens, relevant, Criterion(12, 6, 3.0))
        else:
            loss = loop_loss(model, tokens, [r.tolist() for r in relevant], 12, 6, 3.0)
        loss.backward()
        values.append(loss.item())
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    batch, loop = gradients
    assert set(batch) == set(loop)
    assert {"index.centroids"} < set(batch)
    for name, gradient in batch.items():
        torch.testing.assert_close(gradient, loop[name], atol=1e-5, rtol=1e-4)
    assert batch["index.centroids"].abs().max() > 1e-3


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=5), min_size=1, max_size=6))
def test_padding_keeps_every_row(rows):
    padded, valid = pad([np.array(r) for r in rows])
    assert [p[v].tolist() for p, v in zip(padded, valid, strict=True)] == rows
    assert padded.shape == valid.shape == (len(rows), max(map(len, rows)))


def test_only_query_encoder_and_centroids_change(tiny, trained):
    before, after = read_pq(tiny.opq), read_pq(trained / "index.faiss")
    assert np.array_equal(before.codes, after.codes)
    assert np.array_equal(before.rotation, after.rotation)
    assert np.abs(before.centroids - after.centroids).max() > 1e-3
    old, new = (load_file(f / "model.safetensors") for f in (tiny.encoder, trained / "encoder"))
    assert set(old) == set(new)
    assert any(np.abs(old[name] - new[name]).max() > 1e-3 for name in old)
    names = [p.name for p in (trained / "encoder").rglob("*")]
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pkl"))]
    assert sorted(p.name for p in trained.iterdir()) == ["encoder", "index.faiss"]


def test_codes_of_4_bits_are_trained_alike_and_left_as_fast_scan(tiny, tmp_path):
    build("opq", tiny.docs, tmp_path / "opq.faiss", 2 * M, iterations=2, bits=4)
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    flat(jpq)(tiny.collection, tiny.encoder, tmp_path / "opq.faiss", *paths, **OPTIONS)
    whole, start = faiss.read_index(str(paths[0])), read_pq(tmp_path / "opq.faiss")
    fast = faiss.downcast_index(whole.index)
    assert isinstance(fast, faiss.IndexPQFastScan) and fast.M == 2 * M
    trained = faiss.vector_to_array(fast.pq.centroids).reshape(start.centroids.shape)
    assert np.abs(trained - start.centroids).max() > 1e-3
    decoded = PQ(start.rotation, trained, start.codes).decode()  # the codes are OPQ's
    np.testing.assert_allclose(fast.reconstruct_n(0, N), decoded, atol=1e-6)
    assert index_bytes(whole)["codes"] == N * M


def test_exact_scores_are_those_of_the_documents_own_embeddings(tiny):
    """+JPQ Neg of section 5.3: negatives from the quantized index, uncompressed documents."""
    model = JPQ(DualEncoder.load(tiny.encoder), TrainablePQ(read_pq(tiny.opq))).eval()
    docs, relevant = np.load(tiny.docs), [np.array([3, 7]), np.array([9])]
    tokens = model.encoder.tokenize(["w1 w2", "w3"], "query")
    loss = batch_loss(model, tokens, relevant, Criterion(12, 6, 3.0, exact=True), docs)
    loss.backward()
    assert model.index.centroids.grad is None
    losses, decoded = [], read_pq(tiny.opq).decode()
    for own, positives in zip(tokens, relevant, strict=True):
        q = model.encoder([own])[0].detach().numpy()
        s = docs @ q
        order = np.argsort(-(decoded @ (model.index.rotation.numpy() @ q)), kind="stable")
        others = [d for d in order.tolist() if d not in positives][:12]
        plus, minus = s[positives].tolist(), s[others].tolist()
        for (i, j), weight in pair_weights(plus, minus, 6).items():
            losses.append(weight * np.log1p(np.exp(3.0 * (minus[j] - plus[i]))))
    assert loss.item() == pytest.approx(sum(losses) / 2, rel=1e-4)


def test_reconstruction_is_the_squared_error_of_the_relevant_documents(tiny):
    model = JPQ(DualEncoder.load(tiny.encoder), TrainablePQ(read_pq(tiny.opq))).eval()
    docs, relevant = np.load(tiny.docs), [np.array([3, 7]), np.array([9])]
    tokens = model.encoder.tokenize(["w1 w2", "w3"], "query")
    without, with_it = (
        batch_loss(model, tokens, relevant, Criterion(12, 6, 3.0, reconstruction=r), docs)
        for r in (0.0, 0.5)
    )
    pq = read_pq(tiny.opq)
    errors = ((docs @ pq.rotation.T - pq.decode()) ** 2).sum(1)[[3, 7, 9]]
    assert (with_it - without).item() == pytest.approx(0.5 * errors.mean(), rel=1e-3)


@pytest.mark.parametrize("fixed", ["lr", "centroid_lr"])
def test_a_rate_of_0_leaves_its_part_as_it_was(tiny, tmp_path, fixed):
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS | {fixed: 0, "steps": 3})
    same = {
        "centroid_lr": np.array_equal(read_pq(tiny.opq).centroids, read_pq(paths[0]).centroids),
        "lr": all(
            np.array_equal(old, new)
            for old, new in zip(
                *(load_file(f / "model.safetensors").values() for f in (tiny.encoder, paths[1])),
                strict=True,
            )
        ),
    }
    assert same[fixed] and sum(same.values()) == 1


def test_words_that_are_not_trained_stay_and_all_else_learns(tiny, tmp_path):
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    own = OPTIONS | {"steps": 3, "train_words": False}
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **own)
    before = dict(DualEncoder.load(tiny.encoder).named_parameters())
    after = dict(DualEncoder.load(tmp_path / "e").named_parameters())
    same = {name for name, weight in after.items() if torch.equal(weight, before[name])}
    assert [name for name in same if "pooler" not in name] == [WORDS]


def test_what_needs_the_embeddings_says_so(tiny, tmp_path):
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    with pytest.raises(InputError, match=r"docs: .* need it\. Name docs\.npy"):
        flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS, exact=True)
    assert not any(p.exists() for p in paths)


def test_training_ranks_relevant_documents_higher(tiny, trained):
    texts, relevant, *_ = training_pairs(tiny.collection)

    def mean_reciprocal_rank(index, encoder) -> float:
        queries = embed_texts(DualEncoder.load(encoder).eval(), texts, "query", 256, False)
        _, rows = faiss.read_index(str(index)).search(queries, N)
        return np.mean(
            [1 / (1 + np.isin(r, p).argmax()) for r, p in zip(rows, relevant, strict=True)]
        )

    before = mean_reciprocal_rank(tiny.opq, tiny.encoder)
    assert mean_reciprocal_rank(trained / "index.faiss", trained / "encoder") > before + 0.1


def test_the_saved_query_encoder_is_a_standard_one(trained):
    plain = SentenceTransformer(str(trained / "encoder"), device="cpu")
    assert plain.max_seq_length == LENGTHS["query"]
    texts = ["w1 w2", "w3 w4 w5 w6 w7 w8 w9 w10 w11"]
    ours = embed_texts(DualEncoder.load(trained / "encoder").eval(), texts, "query", 64, False)
    np.testing.assert_allclose(plain.encode_query(texts), ours, atol=1e-5)


def test_inputs_are_left_as_they_were(tiny, tmp_path):
    before = sha256(tiny.encoder), sha256(tiny.opq), sha256(tiny.collection)
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **(OPTIONS | {"steps": 1}))
    assert before == (sha256(tiny.encoder), sha256(tiny.opq), sha256(tiny.collection))


def test_an_index_of_another_dimension_is_refused(tiny, tmp_path):
    other = save_encoder(tmp_path / "other", hidden=16)
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    with pytest.raises(InputError, match=rf"opq\.faiss: has {D} dimensions, the encoder 16\. Use"):
        flat(jpq)(tiny.collection, other, tiny.opq, *paths, **OPTIONS)
    assert not any(p.exists() for p in paths)
