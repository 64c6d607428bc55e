"""The `genret` stage: identifiers by discrete auto-encoding (GenRet, Sun et al. 2023).

All positions but the last are learned (progressive.py). The last one numbers the documents that
share all tokens before it, as in the authors' code. What stands in for T5 and for generated
queries: docs/reproduction.md.
"""

from pathlib import Path

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.generative.controls import write_given
from jointir.generative.holdout import seen_documents
from jointir.generative.model import Shape
from jointir.generative.pairs import Pairs
from jointir.generative.progressive import Objective
from jointir.generative.tokenizer import Tokenizer
from jointir.methods.genret import Settings
from jointir.train.norm import mean_squared_norm
from jointir.train.training import Training


def numbered(ids: np.ndarray, V: int) -> np.ndarray:
    """Return int64[N, P + 1]: behind int64[N, P] the number of a document among those like it.

    It counts from 0 in the documents' order, modulo V: of more than V some share an identifier.
    """
    _, group = np.unique(ids, axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    count = np.bincount(group.ravel())
    number = np.empty(len(ids), np.int64)
    number[order] = np.arange(len(ids)) - np.repeat(count.cumsum() - count, count)
    return np.concatenate([ids, number[:, None] % V], 1)


def genret(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    out_ids: Path,
    scratch: Path,
    indexer: str,
    length: int,
    vocabulary: int,
    decoder: str,
    layers: int,
    width: int,
    prototypes: int,
    settings: Settings,
    generated: Path | None = None,
) -> None:
    """Learn identifiers; write them to `out_ids`, and an untrained model around `encoder` to `out`.

    docs: float[N, D], the collection's embeddings by `encoder`, which stays as it is. length: L, of
    which L - 1 positions are learned. indexer, vocabulary, decoder, layers, width, prototypes: of
    the model, as for `fixed-ids`; the tokenizer has the same width. generated: queries of the
    `expand` stage, beside the train queries.

    Raises:
        InputError: L is 1, fewer documents than tokens, too few steps, or `docs` or `generated` of
            another collection.
    """
    training = Training("genret", locals())
    if length < 2:
        raise InputError("asi.length", f"{length} leaves none to learn", "Set 2 at least")
    torch.manual_seed(settings.seed)
    dual = DualEncoder.load(encoder).to(best_device())
    matrix = read_embeddings(docs, collection, dual.dim).astype(np.float32)
    kept = seen_documents(len(matrix), settings.holdout, settings.seed)
    if len(kept) < vocabulary:
        found = f"{vocabulary} tokens a position, but {len(kept)} documents"
        raise InputError("asi.vocabulary", found, "Choose a vocabulary below the documents")
    unit = mean_squared_norm(dual, collection)
    pairs = Pairs(collection, dual, kept, settings.seed, generated)
    bf16 = has_bf16(dual.device)
    e = embed_texts(dual, pairs.queries, "query", BATCH_TOKENS, bf16)
    e_q, e_d = (torch.tensor(a, device=dual.device) for a in (e, matrix))
    tokenizer = Tokenizer(dual.dim, length - 1, vocabulary, width, settings.scale, unit)
    seen = torch.from_numpy(kept).to(dual.device)
    objective = Objective(tokenizer.to(dual.device), e_d[seen], e_q, pairs.relevant, settings)

    def save() -> None:
        codes = numbered(tokenizer.tokens(e_d, length - 1).cpu().numpy(), vocabulary)
        shape = Shape(indexer, length, vocabulary, decoder, layers, width, prototypes)
        torch.manual_seed(settings.seed)  # the model is the same, however it was resumed
        write_given(out, out_ids, dual.cpu(), collection, codes, shape, unit)

    weights = list(tokenizer.parameters())
    groups = [{"params": weights}]
    every = settings.refresh  # a resumed training repeats a refresh
    training.run(objective, groups, objective.loss, weights, save, every=every)
