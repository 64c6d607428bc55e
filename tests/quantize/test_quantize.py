"""Codes, centroids and decoded documents are faiss' own, and a wrong index is refused."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointir.basics.errors import InputError
from jointir.quantize.fit import check_divides, opq, pq, reconstruction_error, train
from jointir.quantize.pq import (
    PQ,
    codebook_size,
    read_index,
    read_pq,
    replace_centroids,
    searchable,
    write_index,
)
from tiny import D, M, N, build


def matrix(n: int = N, seed: int = 0) -> np.ndarray:
    """Return float32[n, D] rows of length 1."""
    rows = np.random.default_rng(seed).normal(size=(n, D)).astype("f4")
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def docs(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("quantize") / "docs.npy"
    np.save(path, matrix())
    return path


K = {"pq": 256, "opq": 256, "opq-4bit": 16}


@pytest.fixture(scope="module", params=sorted(K))
def index(request, docs) -> Path:
    path = docs.parent / f"{request.param}.faiss"
    method, bits = ("opq", 4) if request.param == "opq-4bit" else (request.param, 8)
    build(method, docs, path, M, iterations=2, bits=bits)
    return path


def packed(pq: PQ) -> np.ndarray:
    """Return codes as faiss stores them: two of 4 bits in a byte."""
    if pq.centroids.shape[1] == 256:
        return pq.codes
    return pq.codes[:, 0::2] | (pq.codes[:, 1::2] << 4)


def test_training_errs_as_faiss_own_does_and_leaves_its_setting_alone():
    before, rows = faiss.cvar.distance_compute_blas_threshold, matrix(3000)
    for new in (lambda: pq(D, M), lambda: opq(D, M, 2)):
        ours, plain = new(), new()
        train(ours, rows)
        plain.train(rows)
        errors = [reconstruction_error(index, rows) for index in (ours, plain)]
        assert errors[0] == pytest.approx(errors[1], rel=0.01)
    with pytest.raises(RuntimeError, match="training"):
        train(pq(D, M), matrix(3))
    assert faiss.cvar.distance_compute_blas_threshold == before


def test_codes_are_those_of_faiss(index):
    whole = faiss.read_index(str(index))
    found = read_pq(index)
    assert (found.codes.dtype, found.codes.shape) == (np.uint8, (N, M))
    assert np.array_equal(packed(found), whole.sa_encode(matrix()))
    assert found.centroids.shape == (M, K[index.stem], D // M)
    assert codebook_size(whole) == K[index.stem] > found.codes.max()


@pytest.mark.parametrize("m", [1, 2, 8])  # sub-vectors of 32, 16 and 4 numbers
def test_codes_of_small_tables_are_those_of_one_large_table(m, monkeypatch):
    rows = matrix(1000)  # three whole tables and a part of one
    whole = opq(D, m, 2)
    train(whole, rows)
    ours = whole.sa_encode(rows)
    assert faiss.cvar.product_quantizer_compute_codes_bs < len(rows) / 3
    monkeypatch.setattr(faiss.cvar, "product_quantizer_compute_codes_bs", len(rows))
    assert np.array_equal(ours, whole.sa_encode(rows))


def test_decoded_documents_are_those_of_faiss(index):
    whole = faiss.read_index(str(index))
    found = read_pq(index)
    np.testing.assert_allclose(
        found.decode() @ found.rotation, whole.sa_decode(packed(found)), atol=1e-6
    )
    np.testing.assert_allclose(
        found.decode(np.array([7, 3])) @ found.rotation,
        np.stack([whole.reconstruct(7), whole.reconstruct(3)]),
        atol=1e-6,
    )
    inner = whole.index if isinstance(whole, faiss.IndexPreTransform) else whole
    assert np.array_equal(found.decode(), faiss.downcast_index(inner).sa_decode(packed(found)))
    assert np.array_equal(found.decode(slice(4, 9)), found.decode()[4:9])


def test_the_rotation_is_orthogonal_and_comes_first(index):
    found = read_pq(index)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(D), atol=1e-5)
    assert np.array_equal(found.rotation, np.eye(D)) == (index.name == "pq.faiss")
    whole = faiss.read_index(str(index))
    if index.name != "pq.faiss":
        rotated = faiss.downcast_VectorTransform(whole.chain.at(0)).apply(matrix())
        np.testing.assert_allclose(matrix() @ found.rotation.T, rotated, atol=1e-6)


def test_new_centroids_change_scores_and_nothing_else(index, tmp_path):
    whole, before = read_index(index), read_pq(index)
    new = before.centroids[:, ::-1] * 1.5
    replace_centroids(whole, new)
    write_index(whole, tmp_path / "new.faiss")
    after = read_pq(tmp_path / "new.faiss")
    assert np.array_equal(after.centroids, new)
    assert np.array_equal(after.codes, before.codes)
    assert np.array_equal(after.rotation, before.rotation)
    queries = matrix(5, seed=1)
    scores, rows = read_index(tmp_path / "new.faiss").search(queries, 10)
    expected = queries @ after.rotation.T @ after.decode().T
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, 1), atol=1e-5)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :10], atol=1e-5)
    assert (tmp_path / "new.faiss").stat().st_size == index.stat().st_size


def test_fast_scan_holds_the_same_codes_and_its_scores_are_within_the_tables_rounding(index):
    whole = read_index(index)
    fast = searchable(whole)
    if index.stem != "opq-4bit":
        assert fast is whole
        return
    assert isinstance(faiss.downcast_index(fast.index), faiss.IndexPQFastScan)
    assert np.array_equal(fast.reconstruct_n(0, N), whole.reconstruct_n(0, N))
    queries = matrix(20, seed=1)
    (scores, rows), (exact, _) = fast.search(queries, 10), whole.search(queries, N)
    pq = read_pq(index)
    tables = np.einsum("qms,mks->qmk", (queries @ pq.rotation.T).reshape(20, M, -1), pq.centroids)
    # a query's entries share one step, 1/255 of its widest table; each is rounded by half of it
    step = np.ptp(tables, axis=2).max(1) / 255
    own = np.take_along_axis(queries @ whole.reconstruct_n(0, N).T, rows, 1)
    assert (np.abs(scores - own) <= step[:, None] * M).all()
    assert np.abs(scores - own).max() > 1e-5  # it is rounded
    assert (np.abs(scores - exact[:, :10]) <= step[:, None] * M).all()


def test_centroids_of_another_number_are_refused(index):
    with pytest.raises(
        ValueError, match=rf"8 centroid values, the index holds {K[index.stem] * D}"
    ):
        replace_centroids(read_index(index), np.zeros((1, 4, 2), "f4"))


def test_reconstruction_error_is_the_mean_squared_distance(index):
    whole, decoded = faiss.read_index(str(index)), read_pq(index)
    exact = matrix() - decoded.decode() @ decoded.rotation
    found = reconstruction_error(whole, matrix())
    assert found == pytest.approx(float((exact**2).sum(1).mean()), rel=1e-4)
    assert 0 < found < (0.5 if K[index.stem] == 256 else 0.8)


@given(st.integers(1, 800), st.integers(-3, 900))
def test_m_must_divide_d(dim, m):
    if m > 0 and (dim / m).is_integer():
        check_divides(dim, m)
    else:
        with pytest.raises(InputError, match=f"M: {m} does not divide the dimension {dim}. Choose"):
            check_divides(dim, m)


@pytest.mark.parametrize("make", [pq, lambda d, m: opq(d, m, 1)])
def test_m_that_does_not_divide_names_those_that_do(make):
    with pytest.raises(
        InputError, match=r"M: 5 .* dimension 12\. Choose one of \[1, 2, 3, 4, 6, 12\]"
    ):
        make(12, 5)


@pytest.mark.parametrize("system", ["pq", "opq"])
def test_fewer_documents_than_centroids(tmp_path, system):
    np.save(tmp_path / "few.npy", matrix(255))
    with pytest.raises(InputError, match=r"few\.npy: 255 documents for K=256\. Use a larger"):
        build(system, tmp_path / "few.npy", tmp_path / "out.faiss", M)
    assert [p.name for p in tmp_path.iterdir()] == ["few.npy"]


@pytest.mark.parametrize("system", ["pq", "opq"])
def test_a_sample_smaller_than_k(docs, tmp_path, system):
    with pytest.raises(
        InputError, match=r"sample: 255 documents for K=256\. Set it to 256 or more"
    ):
        build(system, docs, tmp_path / "out.faiss", M, sample=255)
    assert not list(tmp_path.iterdir())


def test_fewer_documents_than_dimensions_learn_no_rotation(tmp_path):
    np.save(tmp_path / "wide.npy", np.eye(300, 512, dtype="f4"))
    with pytest.raises(
        InputError, match=r"wide\.npy: 300 documents for 512 dimensions\. Use a larger"
    ):
        build("opq", tmp_path / "wide.npy", tmp_path / "out.faiss", M)
    build("pq", tmp_path / "wide.npy", tmp_path / "out.faiss", M)  # needs none


@pytest.mark.parametrize("kept", [0, 3, 60, -1])
def test_a_truncated_index(index, tmp_path, kept):
    (tmp_path / "cut.faiss").write_bytes(index.read_bytes()[:kept])
    with pytest.raises(
        InputError, match=r"cut\.faiss: faiss cannot read it .*rerun the stage"
    ) as e:
        read_pq(tmp_path / "cut.faiss")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("make", ["Flat", "PQ8x6", "ITQ16,LSH", "IVF4,Flat", "OPQ8,PQ8x6", "LSH"])
def test_an_index_of_another_kind(tmp_path, make):
    other = faiss.index_factory(D, make)
    other.train(matrix())
    other.add(matrix())
    faiss.write_index(other, str(tmp_path / "other.faiss"))
    with pytest.raises(
        InputError, match=r"other\.faiss: is a Index\w+, no PQ of 4 or 8 bits\. Give an index"
    ):
        read_pq(tmp_path / "other.faiss")


def test_an_index_that_ranks_by_distance_is_refused(tmp_path):
    other = faiss.IndexPQ(D, M, 8)
    other.train(matrix())
    faiss.write_index(other, str(tmp_path / "l2.faiss"))
    with pytest.raises(InputError, match=r"l2\.faiss: ranks by distance, not by inner product"):
        read_pq(tmp_path / "l2.faiss")
