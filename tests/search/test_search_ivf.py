"""JPQ's codes in inverted lists: the flat index's answers when every list is visited."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.methods.ivf_jpq import Settings
from jointir.quantize.pq import read_index, read_pq
from jointir.search.index import index_bytes
from jointir.search.ivf import ivf
from tiny import D, M, build

N, LISTS = 900, 12


def rows(n: int, seed: int) -> np.ndarray:
    """Return float32[n, D] around 12 centres, the same whatever the seed."""
    centres = np.random.default_rng(0).normal(size=(LISTS, D))
    rng = np.random.default_rng([1, seed])
    return (centres[rng.integers(0, LISTS, n)] + 1.5 * rng.normal(size=(n, D))).astype("f4")


QUERIES = rows(50, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("ivf")
    np.save(out / "docs.npy", rows(N, 0))
    build("opq", out / "docs.npy", out / "flat.faiss", M, iterations=2)
    ivf(out / "flat.faiss", out / "ivf.faiss", Settings(nlist=LISTS, seed=1))
    return out


def searched(folder: Path, nprobe: int, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    whole = read_index(folder / "ivf.faiss")
    faiss.downcast_index(whole.index).nprobe = nprobe
    return whole.search(QUERIES, k)


def test_every_list_visited_is_the_flat_search(folder):
    expected, _ = read_index(folder / "flat.faiss").search(QUERIES, N)
    found, order = searched(folder, LISTS, N)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (np.sort(order, axis=1) == np.arange(N)).all()
    pq = read_pq(folder / "flat.faiss")
    own = (QUERIES @ pq.rotation.T) @ pq.decode().T
    np.testing.assert_allclose(found, np.take_along_axis(own, order, 1), atol=1e-4)


def test_more_lists_find_more_and_one_is_not_all(folder):
    _, exact = read_index(folder / "flat.faiss").search(QUERIES, 10)
    found = [searched(folder, nprobe)[1] for nprobe in (1, 3, LISTS)]
    recall = [
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, rows, strict=True)])
        for rows in found
    ]
    assert 0.3 < recall[0] < recall[1] <= recall[2]
    assert recall[0] < 0.99 < recall[2]


def test_each_document_is_in_the_list_of_its_nearest_centroid(folder):
    whole = read_index(folder / "ivf.faiss")
    ivf = faiss.downcast_index(whole.index)
    centroids = faiss.downcast_index(ivf.quantizer).reconstruct_n(0, LISTS)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    pq = read_pq(folder / "flat.faiss")
    nearest = (pq.decode() @ centroids.T).argmax(1)
    for number in range(LISTS):
        size = ivf.invlists.list_size(number)
        ids = faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)
        codes = faiss.rev_swig_ptr(ivf.invlists.get_codes(number), size * M).reshape(size, M)
        assert np.array_equal(ids, np.flatnonzero(nearest == number))
        assert np.array_equal(codes, pq.codes[ids])


def test_its_bytes_count_ids_and_centroids(folder):
    size = index_bytes(read_index(folder / "ivf.faiss"))
    expected = {"codes": N * M, "ids": 8 * N, "other": 4 * LISTS * D}
    assert size == expected | {"codebooks": 4 * 256 * D, "rotation": 4 * D * D}
    assert 0 <= (folder / "ivf.faiss").stat().st_size - sum(size.values()) < 1024


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    ivf(folder / "flat.faiss", tmp_path / "again.faiss", Settings(nlist=LISTS, seed=1))
    assert (tmp_path / "again.faiss").read_bytes() == (folder / "ivf.faiss").read_bytes()


@pytest.mark.parametrize(
    ("nlist", "told"),
    [(0, "nlist: 0 is not at least 1"), (N + 1, f"nlist: {N + 1} lists for {N} documents")],
)
def test_more_lists_than_documents(folder, tmp_path, nlist, told):
    with pytest.raises(InputError, match=told):
        ivf(folder / "flat.faiss", tmp_path / "out.faiss", Settings(nlist=nlist))
    assert not list(tmp_path.iterdir())


def test_codes_of_4_bits_are_refused(folder, tmp_path):
    build("opq", folder / "docs.npy", tmp_path / "4.faiss", M, iterations=2, bits=4)
    with pytest.raises(InputError, match=r"4\.faiss: its codes have 4 bits"):
        ivf(tmp_path / "4.faiss", tmp_path / "out.faiss", Settings(nlist=LISTS))
