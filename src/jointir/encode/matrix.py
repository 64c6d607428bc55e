"""A collection's embeddings, as the `embed` stage left them."""

from pathlib import Path

import numpy as np

from jointir.data.store import count_documents
from jointir.errors import InputError
from jointir.readers import read_npy


def read_embeddings(docs: Path, collection: Path, dim: int | None = None) -> np.ndarray:
    """Return the matrix `docs` of a collection's documents, [N, D], memory-mapped.

    dim: the D of the encoder that they must be by, where there is one.

    Raises:
        InputError: it is of another collection, or not of `dim` dimensions.
    """
    matrix, N = read_npy(docs, mapped=True), count_documents(collection)
    if len(matrix) != N:
        found = f"holds {len(matrix)} embeddings, the collection {N} documents"
        raise InputError(docs, found, "Embed this collection again")
    if dim is not None and matrix.shape[1] != dim:
        found = f"has {matrix.shape[1]} dimensions, the encoder {dim}"
        raise InputError(docs, found, "Use this encoder's embeddings")
    return matrix
