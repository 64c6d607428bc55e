"""DPQ's quantization and loss against loops, its gradients, and the index that its stage writes."""

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.joint import dpq as module
from jointir.joint.dpq import DPQ, assign, dpq, dpq_loss, quantize, sampler
from jointir.quantize.pq import read_index, read_pq, replace_centroids
from jointir.train import training
from jointir.train.checkpoint import Checkpoint
from jointir.train.pairs import training_pairs
from tiny import LENGTHS, D, M, N, flat, make, save_encoder

OPTIONS = {"steps": 80, "batch": 20, "lr": 3e-3, "pq_lr": 3e-3, "warmup": 3, "scale": 20.0}
OPTIONS |= {"temperature": 0.03, "reconstruction": 1.0, "seed": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("dpq"))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """Return the folder in which the stage wrote index.faiss and encoder."""
    out = tmp_path_factory.mktemp("trained")
    train_dpq(tiny, out)
    return out


def train_dpq(tiny, out: Path, **changed) -> bytes:
    """Run the stage in `out`, with other options or inputs; return what it wrote."""
    given = {"collection": tiny.collection, "encoder": tiny.encoder, "docs": tiny.docs}
    given |= {"index": tiny.opq, "out_index": out / "index.faiss", "out_encoder": out / "encoder"}
    flat(dpq)(**(given | {"scratch": out / "scratch"} | OPTIONS | changed))
    weights = out / "encoder" / "model.safetensors"
    return (out / "index.faiss").read_bytes() + weights.read_bytes()


def random_batch(seed: int, B: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return float64 queries and documents [B, 6] and centroids [3, 5, 2]."""
    rng = np.random.default_rng(seed)
    sizes = ((B, 6), (B, 6), (3, 5, 2))
    return tuple(torch.from_numpy(rng.normal(size=size)) for size in sizes)


def loop_quantize(doc: torch.Tensor, centroids: torch.Tensor, temperature: float | None):
    """Quantize one document, a sub-vector at a time; a temperature gives the soft form."""
    picked = []
    for i, table in enumerate(centroids):
        part = doc[2 * i : 2 * i + 2]
        distances = torch.stack([((part - c) ** 2).sum() for c in table])
        if temperature is None:
            picked.append(table[min(range(len(table)), key=distances.tolist().__getitem__)])
        else:
            weights = torch.exp(-distances / temperature)
            picked.append(sum(w * c for w, c in zip(weights / weights.sum(), table, strict=True)))
    return torch.cat(picked)


@given(st.integers(0, 10**6), st.floats(0.1, 5))
@settings(max_examples=20)
def test_quantized_documents_are_the_nearest_centroids(seed, temperature):
    _, docs, centroids = random_batch(seed)
    expected = torch.stack([loop_quantize(d, centroids, None) for d in docs])
    for found in quantize(docs, centroids, temperature):
        assert torch.equal(found, expected)


@given(st.integers(0, 10**6), st.floats(0.1, 5))
@settings(max_examples=20)
def test_the_straight_through_gradient_is_that_of_the_soft_form(seed, temperature):
    direction, docs, centroids = random_batch(seed)
    centroids.requires_grad_()
    soft = torch.stack([loop_quantize(d, centroids, temperature) for d in docs])
    sums = ((x * direction).sum() for x in (soft, quantize(docs, centroids, temperature)[1]))
    expected, found = (torch.autograd.grad(total, centroids)[0] for total in sums)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)
    assert (found != 0).all()  # every centroid learns


def loop_loss(queries, docs, centroids, relevant, scale, reconstruction) -> torch.Tensor:
    """The loss, a query and a document at a time."""
    quantized = [loop_quantize(d, centroids, None) for d in docs]
    ranking = []
    for b, query in enumerate(queries):
        allowed = [j for j in range(len(docs)) if j == b or not relevant[b, j]]
        exps = {j: torch.exp(scale * (query @ quantized[j])) for j in allowed}
        ranking.append(-torch.log(exps[b] / sum(exps.values())))
    errors = [((d - q) ** 2).sum() for d, q in zip(docs, quantized, strict=True)]
    return sum(ranking) / len(queries) + reconstruction * sum(errors) / len(docs)


@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([0.0, 0.3, 2.0]))
@settings(max_examples=40)
def test_loss_equals_the_double_loop(seed, B, reconstruction):
    batch = random_batch(seed, B)
    relevant = torch.from_numpy(np.random.default_rng(seed).random((B, B)) < 0.4)
    relevant.fill_diagonal_(True)
    before = relevant.clone()
    found = dpq_loss(*batch, relevant, 1.5, 0.5, reconstruction).item()
    expected = loop_loss(*batch, relevant, 1.5, reconstruction).item()
    assert found == pytest.approx(expected, abs=1e-9)
    assert torch.equal(relevant, before)  # left as it was


def test_relevant_documents_are_never_negatives():
    queries, docs, centroids = random_batch(0, 3)
    relevant = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 1, 1]]).bool()
    queries.requires_grad_()
    dpq_loss(queries, docs, centroids, relevant, 1.0, 0.5, 0.0).backward()
    assert queries.grad[2].abs().max() == 0  # nothing in the batch is irrelevant to it
    hard = quantize(docs, centroids, 0.5)[0]
    wrong = torch.sigmoid(queries[0] @ (hard[2] - hard[0])) * (hard[2] - hard[0]) / 3
    torch.testing.assert_close(queries.grad[0], wrong.detach())


def test_distortion_reaches_the_nearest_centroids_alone():
    queries, docs, centroids = random_batch(1, 1)
    centroids.requires_grad_()
    # one document has no negatives: the ranking loss is 0 and has no gradient
    dpq_loss(queries, docs, centroids, torch.ones(1, 1).bool(), 1.0, 0.5, 3.0).backward()
    expected = torch.zeros_like(centroids)
    for i in range(3):
        part = docs[0, 2 * i : 2 * i + 2]
        j = int(((part - centroids[i]) ** 2).sum(1).argmin())
        expected[i, j] = 3.0 * 2 * (centroids[i, j] - part).detach()
    torch.testing.assert_close(centroids.grad, expected)


def test_gradients_reach_the_query_encoder_and_every_centroid(tiny):
    pq = read_pq(tiny.opq)
    model = DPQ(DualEncoder.load(tiny.encoder), pq).eval()
    tokens = model.encoder.tokenize(["w1 w2 w3", "w4", "w5 w6"], "query")
    docs = torch.from_numpy(np.load(tiny.docs)[:3])
    loss = model.loss(tokens, docs, torch.eye(3).bool(), 5.0, 0.05, 0.5, False)
    loss.backward()
    queries = torch.cat([model.encoder([t]) for t in tokens]).detach().numpy()
    nearest = ((docs.numpy() @ pq.rotation.T).reshape(3, M, 1, -1) - pq.centroids) ** 2
    quantized = pq.centroids[np.arange(M), nearest.sum(3).argmin(2)].reshape(3, D) @ pq.rotation
    scores = 5.0 * queries @ quantized.T
    ranking = np.log(np.exp(scores).sum(1)) - np.diag(scores)
    distortion = ((docs.numpy() - quantized) ** 2).sum(1)
    assert loss.item() == pytest.approx(ranking.mean() + 0.5 * distortion.mean(), abs=1e-5)
    assert (model.centroids.grad.abs().amax(2) > 0).all()
    words = next(p for n, p in model.encoder.named_parameters() if "word_embeddings" in n)
    assert words.grad.abs().max() > 1e-4


def test_batches_pair_every_query_with_one_of_its_documents(tiny):
    pairs = training_pairs(tiny.collection)
    texts, positives, *_ = pairs
    draw = sampler(pairs, 20, 0)
    drawn = set()
    for step in range(40):
        chosen, docs, relevant = draw(step)
        assert (len(chosen), docs.shape, relevant.shape) == (20, (20,), (20, 20))
        for b, text in enumerate(chosen):
            own = positives[texts.index(text)]
            assert docs[b] in own
            assert relevant[b].tolist() == [d in own for d in docs]
            drawn.add((text, docs[b]))
    # every pair in time, also of the ten queries with two documents
    assert drawn == {(t, d) for t, own in zip(texts, positives, strict=True) for d in own}


def test_the_index_holds_the_nearest_centroids_and_ranks_by_them(tiny, trained):
    path, docs = trained / "index.faiss", np.load(tiny.docs)
    whole = faiss.read_index(str(path))
    inner = faiss.downcast_index(whole.index)
    assert (type(whole), type(inner)) == (faiss.IndexPreTransform, faiss.IndexPQ)
    assert (whole.d, whole.ntotal, inner.ntotal, whole.is_trained) == (D, N, N, True)
    assert whole.metric_type == inner.metric_type == faiss.METRIC_INNER_PRODUCT
    assert path.stat().st_size == tiny.opq.stat().st_size
    pq = read_pq(path)
    rotated = (docs @ pq.rotation.T).astype("f8").reshape(N, M, 1, D // M)
    distances = ((rotated - pq.centroids) ** 2).sum(3)  # [N, M, K]
    own = np.take_along_axis(distances, pq.codes[:, :, None].astype(int), 2)[:, :, 0]
    np.testing.assert_allclose(own, distances.min(2), atol=1e-6)
    queries = np.load(tiny.queries)
    scores, rows = whole.search(queries, N)
    assert (np.sort(rows, axis=1) == np.arange(N)).all()
    expected = queries @ (pq.decode() @ pq.rotation).T
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, 1), atol=1e-5)


def test_centroids_codes_and_query_encoder_change_the_rotation_stays(tiny, trained):
    before, after = read_pq(tiny.opq), read_pq(trained / "index.faiss")
    assert np.array_equal(before.rotation, after.rotation)
    assert np.abs(before.centroids - after.centroids).max() > 1e-3
    assert 0.1 < np.mean(before.codes != after.codes) < 0.9
    old, new = (load_file(f / "model.safetensors") for f in (tiny.encoder, trained / "encoder"))
    assert set(old) == set(new)
    assert any(np.abs(old[name] - new[name]).max() > 1e-3 for name in old)
    assert sorted(p.name for p in trained.iterdir()) == ["encoder", "index.faiss"]
    assert DualEncoder.load(trained / "encoder").model.max_seq_length == LENGTHS["query"]


@pytest.mark.parametrize("chunk", [N, 50])
def test_documents_are_assigned_anew_whatever_the_chunk(tiny, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    index, docs = read_index(tiny.opq), np.load(tiny.docs)
    before = index.sa_encode(docs)

    def held_codes() -> np.ndarray:
        return faiss.vector_to_array(faiss.downcast_index(index.index).codes).reshape(N, M)

    assign(index, docs)
    assert np.array_equal(held_codes(), before)
    replace_centroids(index, read_pq(tiny.opq).centroids[:, ::-1])
    assign(index, docs)
    assert np.array_equal(held_codes(), 255 - before)


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


def test_the_stage_weighs_the_reconstruction_error(tiny, tmp_path, monkeypatch):
    train, losses = training.train, []
    monkeypatch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
    for weight in (0.0, 50.0):
        train_dpq(tiny, tmp_path, steps=1, reconstruction=weight)
    rows = sampler(training_pairs(tiny.collection), OPTIONS["batch"], OPTIONS["seed"])(0)[1]
    decoded = faiss.read_index(str(tiny.opq)).reconstruct_n(0, N)
    errors = ((np.load(tiny.docs) - decoded) ** 2).sum(1)[rows]
    assert losses[1] - losses[0] == pytest.approx(50 * errors.mean(), rel=1e-3)


OTHERS = {"steps": 4, "batch": 10, "lr": 1e-3, "pq_lr": 1e-3, "warmup": 0, "scale": 10.0}
OTHERS |= {"temperature": 0.1, "reconstruction": 5.0, "seed": 6}


def test_two_runs_give_the_same_bytes_and_every_option_others(tiny, tmp_path):
    inputs = (tiny.collection, tiny.encoder, tiny.docs, tiny.opq)
    before = [sha256(path) for path in inputs]
    first, again = (train_dpq(tiny, tmp_path / name, steps=3) for name in "ab")
    assert first == again
    for name, value in OTHERS.items():
        assert train_dpq(tiny, tmp_path / name, **{"steps": 3, name: value}) != first, name
    assert [sha256(path) for path in inputs] == before


def test_a_stopped_training_resumes_to_the_same_bytes(tiny, tmp_path, monkeypatch, capsys):
    whole = train_dpq(tiny, tmp_path / "whole", steps=6)
    save, killed = Checkpoint.save, tmp_path / "killed"

    def save_and_stop(self, step, *state):
        save(self, step, *state)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train_dpq(tiny, killed, steps=6, checkpoint_minutes=0)
    assert [p.name for p in killed.iterdir()] == ["scratch"]  # no output, whole or in part
    assert train_dpq(tiny, killed, steps=6) == whole
    assert "resumed after step 3" in capsys.readouterr().err
    assert sorted(p.name for p in killed.iterdir()) == ["encoder", "index.faiss"]


def test_inputs_that_do_not_fit_are_refused(tiny, tmp_path):
    short, narrow, flat, out = (tmp_path / n for n in ("docs.npy", "n.npy", "flat.faiss", "out"))
    np.save(short, np.zeros((99, D), "f2"))
    np.save(narrow, np.zeros((N, 16), "f2"))
    faiss.write_index(faiss.IndexFlatIP(D), str(flat))
    other = save_encoder(tmp_path / "other", hidden=16)
    for changed, message in (
        ({"encoder": other}, rf"opq\.faiss: has {D} dimensions, the encoder 16\. Use the index of"),
        ({"docs": narrow}, rf"n\.npy: has 16 dimensions, the encoder {D}\. Use this encoder's"),
        ({"docs": short}, rf"docs\.npy: holds 99 .*, the collection {N} .*\. Embed"),
        ({"index": flat}, r"flat\.faiss: is a IndexFlatIP, no PQ"),
        ({"docs": None}, r"docs: DPQ needs it\. Name docs\.npy"),
        ({"temperature": 0.0}, r"temperature: 0\.0 is not above 0\. Set"),
        ({"temperature": -1.0}, r"temperature: -1\.0 is not above 0\. Set"),
    ):
        with pytest.raises(InputError, match=message):
            train_dpq(tiny, out, **changed)
    assert not out.exists()
