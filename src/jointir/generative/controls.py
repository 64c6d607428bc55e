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
from jointir.generative.names import name_ids
from jointir.methods.asi import FOUND
from jointir.train.norm import mean_squared_norm


def fixed_ids(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    out_ids: Path,
    kind: str,
    indexer: str,
    length: int,
    vocabulary: int,
    decoder: str,
    layers: int,
    width: int,
    prototypes: int,
    seed: int,
    clusters: int = 0,
) -> None:
    """Write an untrained model around `encoder` to `out`, and identifiers of a kind to `out_ids`.

    kind: of given.py, or `name`, of names.py. docs: the collection's embeddings by `encoder`.
    length, vocabulary: L and V; `atomic` has L = 1, `digits` as many as are needed for 0, and
    `atomic` and `name` have as many tokens as there are. indexer: `none`, or one that nothing
    uses. decoder, layers, width, prototypes: as in methods/asi.py. clusters: as for `given_ids`.

    Raises:
        InputError: as `given_ids` or `name_ids`, `docs` is of another collection, or the decoder
            `linear` is to write more than one token.
    """
    matrix = read_embeddings(docs, collection).astype(np.float32)
    torch.manual_seed(seed)
    dual = DualEncoder.load(encoder)
    with torch.random.fork_rng():  # the model is the same, whatever the identifiers draw
        if kind == "name":
            titles = read_corpus(collection)["title"].tolist()
            codes = name_ids(titles, dual.model.tokenizer, length, collection)
        else:
            codes = given_ids(kind, matrix, length, vocabulary, seed, clusters)
    V = int(codes.max()) + 1 if kind in FOUND else vocabulary
    shape = Shape(indexer, codes.shape[1], V, decoder, layers, width, prototypes)
    write_given(out, out_ids, dual, collection, codes, shape, mean_squared_norm(dual, collection))


def write_given(
    out: Path,
    ids: Path,
    dual: DualEncoder,
    collection: Path,
    codes: np.ndarray,
    shape: Shape,
    unit: float,
    sets: np.ndarray | None = None,
) -> None:
    """Write identifiers int64[N, L] to `ids`, and an untrained model around an encoder to `out`.

    unit: the mean squared norm of the embeddings. sets: int64[V, m], of identifiers that are sets
    of n-grams.
    """
    model = GenerativeRetriever(dual, shape, unit)
    if sets is not None:
        model.decoder.know(torch.from_numpy(sets))
    model.save(out)
    write_ids(ids, read_corpus(collection)["doc_id"], codes)
