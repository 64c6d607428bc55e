"""Label-free training of an index: its loss against a loop, and what its stage may change."""

import shutil

import faiss
import numpy as np
import pytest
import torch

from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.data.embedded import corpus_vectors
from jointir.joint.distill import Distilled, distill
from jointir.joint.index import TrainablePQ
from jointir.methods.arguments import DevOptions
from jointir.quantize.pq import read_pq, write_index
from jointir.train.checkpoint import Checkpoint
from tiny import build, flat

N, Q, D, M = 2000, 400, 32, 4
OPTIONS = {"steps": 60, "batch": 16, "documents": 40, "lr": 3e-3, "map_lr": 1e-3, "warmup": 5}
OPTIONS |= {"scale": 10.0, "seed": 3}


def vectors(n: int, seed: int) -> np.ndarray:
    """Return float32[n, D] of length 1, around 40 points; queries (1) mind the first half most."""
    rng, points = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(40, D))
    rows = points[rng.integers(0, 40, n)] + 0.7 * rng.normal(size=(n, D))
    rows[:, D // 2 :] *= 0.2 if seed else 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make(folder, factor: float = 1.0):
    """Write vectors of length `factor`, their collection and OPQ; return the stage's inputs."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "d.npy", factor * vectors(N, 0))
    np.save(folder / "q.npy", factor * vectors(Q, 1))
    names = ("collection", "docs.npy", "queries.npy", "train.npy")
    collection, docs, queries, train = (folder / name for name in names)
    corpus_vectors(folder / "d.npy", folder / "q.npy", collection, docs, queries, train)
    build("opq", docs, folder / "opq.faiss", M, iterations=2)
    return collection, docs, train, queries, folder / "opq.faiss"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return make(tmp_path_factory.mktemp("given"))


def trained(given, folder, validate_every=20, **options):
    """Run the stage; return the faiss index that it wrote."""
    dev = DevOptions(folder / "curve.csv", ["R@10"], validate_every)
    paths = (folder / "i.faiss", folder / "scratch")
    flat(distill)(*given, *paths, dev=dev, **OPTIONS | options)
    assert sorted(p.name for p in folder.iterdir()) == ["curve.csv", "i.faiss"]
    return folder / "i.faiss"


@pytest.fixture(scope="module")
def out(given, tmp_path_factory):
    return trained(given, tmp_path_factory.mktemp("out"))


def kept(index, given) -> float:
    """Return the share of the exact nearest 10 of dev's and test's queries that a search finds."""
    docs, queries = np.load(given[1]), np.load(given[3])
    exact = np.argsort(-(queries @ docs.T), axis=1)[:, :10]
    _, found = faiss.read_index(str(index)).search(queries, 10)
    both = zip(exact, found, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in both]))


@pytest.mark.parametrize("own", [-1, 5])
def test_the_loss_is_that_of_a_loop(given, own):
    docs, queries = np.load(given[1]), np.load(given[2])[:3]
    model = Distilled(TrainablePQ(read_pq(given[4])), learn_map=True)
    W = torch.eye(D) + 0.05 * torch.randn(D, D, generator=torch.Generator().manual_seed(0))
    model.map.data = W
    rows = torch.tensor([own, -1, -1])
    loss = model.loss(torch.from_numpy(queries), docs, rows, 12, 7.0)
    losses, pq = [], read_pq(given[4])
    for query, without in zip(queries, rows.tolist(), strict=True):
        s = pq.decode() @ pq.rotation @ W.numpy() @ query
        best = [i for i in np.argsort(-s) if i != without][:12]
        p, q = (np.exp(7.0 * scores[best]) for scores in (docs @ query, s))
        p, q = p / p.sum(), q / q.sum()
        losses.append((p * np.log(p / q)).sum())
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4)
    loss.backward()
    assert model.index.centroids.grad.abs().max() > 1e-4
    assert model.map.grad.abs().max() > 1e-4


def test_more_of_exact_search_is_kept_and_codes_stay(given, out):
    before, after = read_pq(given[4]), read_pq(out)
    assert np.array_equal(before.codes, after.codes)
    assert np.abs(before.centroids - after.centroids).max() > 1e-3
    assert kept(out, given) > kept(given[4], given) + 0.02


def test_raw_queries_find_in_faiss_what_mapped_ones_score(given, out):
    """The transform of the index is R W, so that nobody has to know of W."""
    start, after, queries = read_pq(given[4]), read_pq(out), np.load(given[3])
    W = start.rotation.T @ after.rotation
    assert 1e-3 < np.abs(W - np.eye(D)).max() < 0.5
    model = Distilled(TrainablePQ(start), learn_map=False)
    model.index.centroids.data = torch.from_numpy(after.centroids)
    model.map.data = torch.from_numpy(W)
    scores, rows = faiss.read_index(str(out)).search(queries, 20)
    expected = model.index.scores(torch.from_numpy(queries @ W.T), torch.from_numpy(rows))
    np.testing.assert_allclose(scores, expected.detach(), atol=1e-4)
    assert (model.search(queries, 1)[:, 0] == rows[:, 0]).mean() > 0.95  # but for rounding


def test_without_a_map_the_rotation_stays(given, tmp_path):
    index = trained(given, tmp_path, map_lr=0.0)
    assert np.array_equal(read_pq(index).rotation, read_pq(given[4]).rotation)
    assert kept(index, given) > kept(given[4], given)


def test_no_label_is_learned_from(given, out, tmp_path):
    """Other judgements of train, and none of dev measured: the same weights after every step."""
    other = shutil.copytree(given[0], tmp_path / "collection")
    path = other / "qrels/train.trec"
    path.write_text("".join(f"{line.split()[0]} 0 3 1\n" for line in path.open().readlines()[::10]))
    folders = [tmp_path / name for name in "ab"]
    for folder, collection in zip(folders, (given[0], other), strict=True):
        folder.mkdir()
        trained((collection, *given[1:]), folder, validate_every=0)
    assert sha256(folders[0] / "i.faiss") == sha256(folders[1] / "i.faiss")


def test_the_start_is_kept_where_no_step_is_better_on_dev(given, tmp_path):
    index = trained(given, tmp_path, lr=1.0, map_lr=0.0)
    assert np.array_equal(read_pq(index).centroids, read_pq(given[4]).centroids)
    assert (tmp_path / "curve.csv").read_text().splitlines()[1].endswith(",1")


def test_codes_of_4_bits_are_trained_and_left_as_fast_scan(given, tmp_path):
    build("opq", given[1], tmp_path / "opq.faiss", 2 * M, iterations=2, bits=4)
    (tmp_path / "o").mkdir()
    index = trained((*given[:4], tmp_path / "opq.faiss"), tmp_path / "o")
    whole = faiss.read_index(str(index))
    assert isinstance(faiss.downcast_index(whole.index), faiss.IndexPQFastScan)
    assert kept(index, given) > kept(tmp_path / "opq.faiss", given)


def test_settings_mean_the_same_for_vectors_of_any_length(given, out, tmp_path):
    longer = make(tmp_path / "longer", 100.0)
    (tmp_path / "o").mkdir()
    index = trained(longer, tmp_path / "o")
    assert kept(index, longer) == pytest.approx(kept(out, given), abs=0.03)
    assert kept(index, longer) > kept(longer[4], longer) + 0.02


def test_a_killed_training_resumes_to_the_same_index(given, out, tmp_path, monkeypatch):
    save, steps = Checkpoint.save, []

    def killed(self, step, *rest):
        save(self, step, *rest)
        steps.append(step)
        if step == 25 and 25 not in steps[:-1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(given, tmp_path, checkpoint_minutes=0)
    assert not (tmp_path / "i.faiss").exists()
    index = trained(given, tmp_path, checkpoint_minutes=0)
    assert steps[25] == 26, "it went on"
    assert sha256(index) == sha256(out)


def test_what_does_not_fit_is_refused(given, tmp_path):
    plain = tmp_path / "plain.faiss"
    build("pq", given[1], plain, M)
    cases = [
        ((*given[:4], plain), "index: has no rotation to replace. Start from OPQ, or learn no map"),
        ((given[0], given[3], *given[2:]), "queries.npy: holds 80 embeddings, the collection 2000"),
        ((*given[:2], given[3], *given[3:]), r"queries.npy: has the shape \(80, 32\)"),
    ]
    for inputs, words in cases:
        with pytest.raises(InputError, match=words):
            flat(distill)(*inputs, tmp_path / "o.faiss", tmp_path / "s", **OPTIONS)
    write_index(faiss.IndexFlatIP(D), tmp_path / "flat.faiss")
    with pytest.raises(InputError, match="no PQ of 4 or 8 bits"):
        flat(distill)(
            *given[:4], tmp_path / "flat.faiss", tmp_path / "o", tmp_path / "s", **OPTIONS
        )
    assert not (tmp_path / "o.faiss").exists()
