"""How GenRet's tokenizer learns, position by position (Sun et al. 2023, sections 3.2 to 3.4).

At each position, the losses of the authors' code with its weights:
- retrieval: the state of a query finds that of its document in the batch, whose documents share
  prefixes;
- commitment: query and document give the document's token;
- reconstruction: the token's vector finds the document's state in the batch.
A position begins with retrieval alone. Then its codebook is made by balanced clustering of the
documents' states, and now and then all documents get balanced tokens anew.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from jointir.basics.errors import InputError
from jointir.basics.progress import say
from jointir.generative.balanced import balanced_tokens
from jointir.generative.losses import info_nce
from jointir.generative.tokenizer import Tokenizer
from jointir.generative.train_decoder import moved
from jointir.generative.tree import prefix_keys
from jointir.methods.genret import Settings
from jointir.quantize.clusters import k_means

COMMITMENT, RECONSTRUCTION = 1.0, 0.2  # weights beside that of retrieval, as in the authors' code
ROUNDS = 5  # of the balanced clustering


class Objective(nn.Module):
    """The tokenizer, the tokens that are fixed, and the data; holds what a checkpoint has to."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        docs: torch.Tensor,
        queries: torch.Tensor,
        relevant: list[np.ndarray],
        settings: Settings,
    ):
        """docs: float[n, D]; queries: float[Q, D], with the rows of their documents.

        Raises:
            InputError: too few steps for two assignments of tokens at each position.
        """
        super().__init__()
        self.tokenizer, self.docs, self.queries = tokenizer, docs, queries
        self.relevant, self.settings = relevant, settings
        refresh, P = settings.refresh, tokenizer.P
        self.each = settings.steps // (P * refresh) * refresh  # steps of a position
        if self.each < 2 * refresh:
            found = f"{settings.steps} for {P} positions that change their tokens each {refresh}"
            raise InputError("--steps", found, f"Set {2 * P * refresh} at least")
        self._queries_of: list[list[int]] = [[] for _ in docs]
        for q, rows in enumerate(relevant):
            for row in rows:
                self._queries_of[row].append(q)
        # a parameter only so that a checkpoint holds it, as in bank.py
        self.fixed = nn.Parameter(torch.zeros(len(docs), P))
        self.tokens: torch.Tensor | None = None  # int64[n], balanced, of the position in training

    def position(self, step: int) -> int:
        """Return which position a step trains."""
        return min(step // self.each, self.tokenizer.P - 1)

    def prefixes(self, i: int) -> torch.Tensor:
        """Return int64[n, i], the tokens of the documents before position i."""
        return self.fixed.detach()[:, :i].long()

    @torch.no_grad()
    def refresh(self, step: int) -> None:
        """Begin a position, or give all documents balanced tokens; every `refresh` steps."""
        i = self.position(step)
        done, model = step - i * self.each, self.tokenizer
        if done == 0:
            if i:
                own = model.scores(model.states(self.docs, self.prefixes(i - 1)), i - 1)
                self.fixed[:, i - 1] = own.argmax(1).to(self.fixed)
            self.tokens = None
            return
        states, group = model.states(self.docs, self.prefixes(i)), self._groups(i)
        if done == self.settings.refresh:
            centred = states - _means(states, group) + states.mean(0)
            model.books[i].copy_(balanced_centres(centred, model.V, self.settings))
        self.tokens = balanced_tokens(model.scores(states, i), group, self.settings.epsilon)
        self._tell(step, i, model.scores(states, i).argmax(1))

    def _tell(self, step: int, i: int, best: torch.Tensor) -> None:
        unique = len(torch.unique(torch.cat([self.prefixes(i), best[:, None]], 1), dim=0))
        agree = (best == self.tokens).float().mean().item()
        say(f"genret: step {step}, position {i + 1}: {unique} unique, {agree:.3f} are balanced")

    def _groups(self, i: int) -> torch.Tensor:
        """Return int64[n], which documents share their prefix of i tokens."""
        keys = prefix_keys(self.prefixes(i), self.tokenizer.V)
        return torch.unique(keys, return_inverse=True)[1]

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """Return documents int64[B], their queries int64[B], and the embeddings of these.

        All documents of a prefix, then those of another, in random order, until there are enough.
        A query is a train query, half of the time where there is one, or else -1: the document's
        embedding moves towards where a query would be. By (seed, step) alone.
        """
        rng = np.random.default_rng([self.settings.seed, 10, step])
        group = self._groups(self.position(step)).cpu().numpy()
        first = rng.permutation(group.max() + 1)[group]
        rows = np.lexsort((rng.random(len(group)), first))[: self.settings.batch]
        own = np.array(
            [rng.choice(self._queries_of[r]) if self._queries_of[r] else -1 for r in rows]
        )
        own = np.where(rng.random(len(rows)) < 0.5, own, -1)
        q = rng.integers(0, len(self.queries), len(rows))
        d = np.array([rng.choice(self.relevant[i]) for i in q])
        part = torch.from_numpy(rng.random((len(rows), 1), np.float32)).to(self.docs)
        e = moved(self.docs[rows], self.queries[q] - self.docs[d], part)
        real = torch.from_numpy(own >= 0).to(e.device)
        return rows, own, torch.where(real[:, None], self.queries[own], e)

    def irrelevant(self, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return bool[B, B]: which documents of a batch are no answer to each of its queries."""
        found = rows[:, None] != rows
        for a, q in enumerate(own):
            if q >= 0:
                found[a] &= ~np.isin(rows, self.relevant[q])
        return found

    def loss(self, step: int) -> torch.Tensor:
        """Return the loss of one step."""
        if step % self.settings.refresh == 0:
            self.refresh(step)
        i, model = self.position(step), self.tokenizer
        rows, own, e = self.batch(step)
        at = torch.from_numpy(rows).to(e.device)
        prefix = self.prefixes(i)[at]
        q, d = model.state(e, prefix), model.state(self.docs[at], prefix)
        mask = torch.from_numpy(self.irrelevant(rows, own)).to(e.device)
        diagonal = torch.arange(len(rows), device=e.device)
        retrieval = info_nce(model.product(q, d), diagonal, mask)
        if self.tokens is None:
            return retrieval
        token = self.tokens[at]
        commitment = cross_entropy(model.scores(q, i), token)
        commitment = commitment + cross_entropy(model.scores(d, i), token)
        quantized = model.books[i][token] + d - d.detach()
        reconstruction = cross_entropy(model.product(quantized, d.detach()), diagonal)
        return retrieval + COMMITMENT * commitment + RECONSTRUCTION * reconstruction


def _means(x: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return float[n, D], of each row the mean of its group."""
    count = torch.bincount(group)
    total = x.new_zeros(len(count), x.shape[1]).index_add_(0, group, x)
    return (total / count[:, None])[group]


def balanced_centres(x: torch.Tensor, V: int, settings: Settings) -> torch.Tensor:
    """Return V centroids float[V, D] of float[n, D], of clusters that are about equally large.

    k-means, then a few rounds in which the assignment is balanced. A centroid without a row stays.
    """
    centres, whole = k_means(x, V, settings.seed), torch.zeros(len(x), dtype=torch.long)
    for _ in range(ROUNDS):
        scores = x @ centres.T - centres.square().sum(1) / 2  # the nearest has the highest
        tokens = balanced_tokens(scores, whole.to(x.device), settings.epsilon)
        count = torch.bincount(tokens, minlength=V)
        total = torch.zeros_like(centres).index_add_(0, tokens, x)
        used = count[:, None] > 0
        centres = torch.where(used, total / count.clamp(min=1)[:, None], centres)
    return centres
