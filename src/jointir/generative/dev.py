"""Dev as the trainings of generative retrieval measure it: documents by decoded identifiers."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.encode.precision import has_bf16
from jointir.generative.beam import BATCH, beam_search
from jointir.generative.decoder import Decoder
from jointir.generative.indexers import SemanticIndexer
from jointir.generative.tree import Holders, PrefixTree
from jointir.methods.arguments import DevOptions
from jointir.train.dev import Dev, read_dev
from jointir.train.validation import Validation

BEAM = 10


class ByModule:
    """An indexing module in a decoder's place: of a query as of a document, position by position.

    The joint training makes identifiers; a decoder learns the final ones afterwards. So the module
    is what its measurement can go by.
    """

    def __init__(self, indexer: SemanticIndexer):
        self.indexer, self.L, self.V = indexer, indexer.L, indexer.V

    def log_p(self, e: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p(id_i | e), float[B, t + 1, V], whatever int64[B, t] stands before."""
        return self.indexer.log_p(e)[:, : prefix.shape[1] + 1]


class State(NamedTuple):
    """A model on its way: e: float[Q, D], dev's queries; ids: int[n, L], of the documents seen."""

    e: torch.Tensor
    ids: np.ndarray
    decoder: Decoder | ByModule


def embedded(encoder: DualEncoder, texts: list[str]) -> torch.Tensor:
    """Return texts as queries, float[n, D]."""
    e = embed_texts(encoder, texts, "query", BATCH_TOKENS, has_bf16(encoder.device))
    return torch.tensor(e, device=encoder.device)


def identifier_validation(
    collection: Path,
    options: DevOptions,
    kept: np.ndarray,
    begin: Callable[[list[str]], Callable[[], State]],
) -> Validation | None:
    """Return how a training is validated that decodes identifiers; None where nothing is measured.

    kept: int64[n], the corpus rows that training sees; of dev, the queries of others are left out.
    begin: returns, for the texts of Q queries, what tells the model's state whenever it is asked.
    """
    dev = _of_seen(read_dev(collection, options), kept) if options.validate_every else None
    if dev is None:
        return None

    now = begin(dev.texts)

    def rank(k: int) -> np.ndarray:
        rows = ranked(now(), k)
        return np.where(rows < 0, -1, kept[rows])

    return dev.validation(options, rank)


def ranked(state: State, k: int) -> np.ndarray:
    """Return the places int64[Q, k] among the documents seen, -1 for none, best first.

    A beam writes existing identifiers alone. Documents that share one stand in the corpus' order.
    """
    tree, holders = (of(state.ids, state.decoder.V) for of in (PrefixTree, Holders))
    parts = [beam_search(state.decoder, e, BEAM, tree) for e in state.e.split(BATCH)]
    ids, scores = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    places = np.full((len(ids), k), -1)
    for row, found, real in zip(places, ids, np.isfinite(scores), strict=True):
        best = np.concatenate(holders.of(found[real]))[:k]
        row[: len(best)] = best
    return places


def _of_seen(dev: Dev, kept: np.ndarray) -> Dev | None:
    """Return dev with the queries that have a relevant document among the rows, or None."""
    relevant = dev.qrels[dev.qrels["relevance"].gt(0)]
    relevant = relevant[relevant["doc_id"].isin(dev.doc_ids.iloc[kept])]
    able = np.isin(dev.query_ids, relevant["query_id"])
    return dev.of(able) if able.any() else None
