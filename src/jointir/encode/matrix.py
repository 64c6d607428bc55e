"""Embeddings, as the `embed` stage left them: read, and refused where nothing could rank them."""

from pathlib import Path

import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.readers import read_npy
from jointir.data.store import count_documents

REMEDY = "Give embeddings made by `jointir embed`"
LARGEST = 1e15  # of a number: squares of larger ones, summed, overflow float32, and faiss dies
CHUNK = 65_536  # rows that are looked at at a time: memory does not grow with N


def read_matrix(path: Path) -> np.ndarray:
    """Return the embeddings of documents, [N, D] of float16, float32 or float64, memory-mapped.

    Raises:
        InputError: they are no matrix of finite numbers below 1e15, or are all the same.
    """
    matrix = _shaped(path)
    _check_finite(path, matrix)
    _check_differ(path, matrix)
    return matrix


def read_query_matrix(path: Path) -> np.ndarray:
    """Return the embeddings of queries, float32[Q, D].

    Raises:
        InputError: they are no matrix of finite numbers below 1e15, or one is all zeros.
    """
    matrix = _shaped(path)
    _check_finite(path, matrix)
    zero = ~matrix.any(axis=1)
    if zero.any():
        found = f"row {zero.argmax()} is all zeros, with which every document scores 0"
        raise InputError(path, found, "Check the encoder's weights, then embed again")
    return matrix.astype(np.float32)


def read_embeddings(docs: Path, collection: Path, dim: int | None = None) -> np.ndarray:
    """Return the matrix `docs` of a collection's documents, [N, D], memory-mapped.

    dim: the D of the encoder that they must be by, where there is one.

    Raises:
        InputError: it is of another collection, not of `dim` dimensions, or as `read_matrix` has
            it.
    """
    matrix, N = _shaped(docs), count_documents(collection)
    if len(matrix) != N:
        found = f"holds {len(matrix)} embeddings, the collection {N} documents"
        raise InputError(docs, found, "Embed this collection again")
    if dim is not None and matrix.shape[1] != dim:
        found = f"has {matrix.shape[1]} dimensions, the encoder {dim}"
        raise InputError(docs, found, "Use this encoder's embeddings")
    return read_matrix(docs)


def _shaped(path: Path) -> np.ndarray:
    matrix = read_npy(path, mapped=True)
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(path, f"has the shape {matrix.shape}", REMEDY)
    if matrix.dtype.kind != "f":
        raise InputError(path, f"holds numbers of type {matrix.dtype}", REMEDY)
    return matrix


def _check_finite(path: Path, matrix: np.ndarray) -> None:
    """Raise InputError: faiss takes NaN, and then finds anything, or ends the process."""
    for at in range(0, len(matrix), CHUNK):
        some = matrix[at : at + CHUNK]
        wrong = ~np.isfinite(some).all(axis=1)
        if wrong.any():
            found = f"row {at + wrong.argmax()} holds numbers that are not finite"
            raise InputError(path, found, REMEDY)
        largest = np.abs(some).max(axis=1).astype(np.float64)
        if largest.max() > LARGEST:
            row = (largest > LARGEST).argmax()
            found = f"row {at + row} holds a number of size {largest[row]:.3g}"
            raise InputError(path, found, f"Scale embeddings to numbers below {LARGEST:g}")


def _check_differ(path: Path, matrix: np.ndarray) -> None:
    chunks = (matrix[at : at + CHUNK] for at in range(0, len(matrix), CHUNK))
    if len(matrix) > 1 and all((some == matrix[0]).all() for some in chunks):
        found = f"all {len(matrix)} rows are the same, so that no document ranks before another"
        raise InputError(path, found, "Check the encoder's weights, then embed again")
