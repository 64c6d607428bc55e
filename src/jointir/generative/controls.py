"""The `fixed-ids` stage: identifiers that nobody learned, the control rows of ASI's table."""

from pathlib import Path

import numpy as np
import torch

from jointir.data.store import read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.generative.given import given_ids
from jointir.generative.ids import write_ids
from jointir.generative.model import GenerativeRetriever, Shape
from jointir.train.norm import mean_squared_norm


def fixed_ids(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    ids: Path,
    kind: str,
    length: int,
    vocabulary: int,
    decoder: str,
    layers: int,
    width: int,
    prototypes: int,
    seed: int,
) -> None:
    """Write an untrained model around `encoder` to `out`, and identifiers of a kind of given.py.

    docs: the collection's embeddings by `encoder`. length, vocabulary: L and V. decoder, layers,
    width, prototypes: as in methods/asi.py.

    Raises:
        InputError: as `given_ids`, or `docs` is of another collection.
    """
    matrix = read_embeddings(docs, collection).astype(np.float32)
    torch.manual_seed(seed)
    dual = DualEncoder.load(encoder)
    unit = mean_squared_norm(dual, collection)
    shape = Shape("mlp", length, vocabulary, decoder, layers, width, prototypes)
    model = GenerativeRetriever(dual, shape, unit)
    codes = given_ids(kind, matrix, length, vocabulary, seed)
    model.save(out)
    write_ids(ids, read_corpus(collection)["doc_id"], codes)
