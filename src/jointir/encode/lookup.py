"""One lookup of a batch's words, though its texts are embedded in several groups."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.functional import embedding as look_up


@contextmanager
def looked_up_once(words: torch.nn.Module, tokens: torch.Tensor) -> Iterator[None]:
    """Let the word embeddings `words` take the rows of `tokens`, int64[n], once for the block.

    The gradient of a lookup is a matrix of the whole vocabulary: one for each group of 8 queries
    was a sixth of a training step's time (reports/LOG.md). Where a model does more than look up
    (scales, cuts to a norm) or asks for other words, nothing changes.
    """
    if type(words) is not torch.nn.Embedding or words.max_norm is not None:
        yield
        return
    used = torch.unique(tokens)
    rows = words(used)  # [U, D]

    def of_these(_: object, asked: tuple[torch.Tensor], __: object) -> torch.Tensor | None:
        at = torch.searchsorted(used, asked[0]).clamp_(max=len(used) - 1)
        return look_up(at, rows) if torch.equal(used[at], asked[0]) else None

    hook = words.register_forward_hook(of_these)
    try:
        yield
    finally:
        hook.remove()
