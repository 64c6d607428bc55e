"""Where a dual encoder's hard negatives come from, other than the encoder that it starts from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jointir.basics.files import atomic
from jointir.basics.progress import heartbeat
from jointir.basics.readers import read_npy
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.train.mining import blocks, mine
from jointir.train.pairs import TrainingPairs
from jointir.train.processes import from_main


def random_negatives(pairs: TrainingPairs, depth: int, seed: int) -> np.ndarray:
    """Return int64[Q, depth]: candidates drawn evenly, with repetition, none of a query's `never`.

    A query without a candidate has -1.
    """
    rng, among = np.random.default_rng([seed, 2]), pairs.among
    found = np.full((len(pairs.never), depth), -1)
    for own, never in zip(found, pairs.never, strict=True):
        left_out = among.places(never)
        left_out = np.sort(left_out[left_out >= 0])
        if len(left_out) == len(among.rows):
            continue
        drawn = rng.integers(0, len(among.rows) - len(left_out), depth)
        for place in left_out:
            drawn += drawn >= place  # from the first of them on, each is the next that is none
        own[:] = among.corpus(drawn)
    return found


def bm25_negatives(pairs: TrainingPairs, docs: list[str], depth: int, seed: int) -> np.ndarray:
    """Return int64[Q, depth]: the candidates that BM25 ranks highest, none of a query's `never`.

    Where fewer share a word with the query, random ones fill the row.
    """
    import bm25s  # a third of a second, for the one kind of negatives that needs it

    quiet = {"show_progress": False}
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(docs, stopwords="en", **quiet), **quiet)
    words = bm25s.tokenize(pairs.texts, stopwords="en", return_ids=False, **quiet)
    mask = np.zeros(len(docs), np.float32)  # which makes all other scores 0
    mask[pairs.among.rows] = 1
    depth = min(depth, len(pairs.among.rows))
    width = min(depth + max(len(n) for n in pairs.never), len(docs))
    found = random_negatives(pairs, depth, seed)
    with heartbeat(f"BM25's {depth} negatives for {len(pairs.texts)} queries"):
        for block in blocks(len(pairs.texts), width):
            best = index.retrieve(words[block], k=width, weight_mask=mask, **quiet)
            own_rows = zip(found[block], *best, pairs.never[block], strict=True)
            for own, ranked, score, left_out in own_rows:
                kept = ranked[(score > 0) & ~np.isin(ranked, left_out)][:depth]
                own[: len(kept)] = kept
    return found


def refreshed(
    model: DualEncoder,
    pairs: TrainingPairs,
    docs: list[str],
    depth: int,
    batch_tokens: int,
    bf16: bool,
    matrix: np.ndarray | None = None,
) -> np.ndarray:
    """Return int64[Q, depth]: the candidates that `model` now ranks highest, as `mine`.

    matrix: [N, D], the embeddings of `docs` by this very model, where they are known; otherwise
    those of the candidates are made.
    """
    training, alone = model.training, matrix is None
    model.eval()
    if alone:
        bodies = [docs[row] for row in pairs.among.rows]
        matrix = embed_texts(model, bodies, "document", batch_tokens, bf16)
    embedded = embed_texts(model, pairs.texts, "query", batch_tokens, bf16)
    model.train(training)
    with heartbeat(f"mine {depth} hard negatives for {len(pairs.texts)} queries"):
        return mine(embedded, matrix, pairs, depth, alone)


class Periodic:
    """Negatives that are found anew every `every` steps, and are the same after a resume.

    Resumed between two refreshes, a training has other weights than those that found the current
    negatives; so each set is kept in `folder` until `remove`.
    """

    def __init__(self, find: Callable[[int], np.ndarray], every: int, folder: Path, name: str):
        """find: returns the negatives from a step on."""
        self.find, self.every, self.folder, self.name = find, every, folder, name
        self._at, self._rows = -1, np.empty((0, 0), np.int64)

    def __call__(self, step: int) -> np.ndarray:
        """Return the negatives of `step`, int64[Q, depth]."""
        at = step // self.every * self.every
        if at != self._at:
            self._at, self._rows = at, from_main(lambda: self._found(at))
        return self._rows

    def _found(self, at: int) -> np.ndarray:
        path = self.folder / f"negatives-{self.name}-{at}.npy"
        if not path.is_file():
            rows = self.find(at)
            with atomic(path) as scratch, scratch.open("wb") as f:
                np.save(f, rows)
        return read_npy(path)

    def remove(self) -> None:
        """Delete what was kept."""
        for path in self.folder.glob("negatives-*.npy"):
            path.unlink()
