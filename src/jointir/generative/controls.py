"""The `fixed-ids` stage: identifiers that nobody learned, the control rows of ASI's table.

Random identifiers (nothing to generalize from), and residual codes of the starting encoder's
embeddings (meaning, but no end-to-end learning; as in TIGER).
"""

from pathlib import Path

import numpy as np
import torch

from jointir.data.store import read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.errors import InputError
from jointir.generative.ids import write_ids
from jointir.generative.model import GenerativeRetriever, Shape
from jointir.generative.warm import residual_codes
from jointir.train.norm import mean_squared_norm

KINDS = ("random", "residual")


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
    """Write an untrained model around `encoder` to `out`, and identifiers of one of KINDS.

    docs: the collection's embeddings by `encoder`. length, vocabulary: L and V. decoder,
    layers, width, prototypes: as in methods/asi.py. With residual codes the decoder's vocabulary
    begins as their codebooks, as after ASI++'s warm start.

    Raises:
        InputError: the kind is unknown, or `docs` is of another collection.
    """
    matrix = read_embeddings(docs, collection).astype(np.float32)
    torch.manual_seed(seed)
    dual = DualEncoder.load(encoder)
    unit = mean_squared_norm(dual, collection)
    shape = Shape("mlp", length, vocabulary, decoder, layers, width, prototypes)
    model = GenerativeRetriever(dual, shape, unit)
    if kind == "random":
        codes = np.random.default_rng([seed, 5]).integers(0, vocabulary, (len(matrix), length))
    elif kind == "residual":
        codes, books = residual_codes(matrix, length, vocabulary, seed)
        model.decoder.start(torch.from_numpy(books))
    else:
        raise InputError("asi.given", f"{kind!r} is unknown", f"Choose one of {KINDS}")
    model.save(out)
    write_ids(ids, read_corpus(collection)["doc_id"], codes)
