"""Beam search over identifiers of L positions."""

import torch

from jointir.generative.decoder import Decoder
from jointir.generative.tree import PrefixTree

BATCH = 64  # queries that are decoded at a time


@torch.inference_mode()
def beam_search(
    decoder: Decoder, e: torch.Tensor, beam: int, tree: PrefixTree | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids int64[B, k, L] and their log-probabilities float[B, k], best first, all distinct.

    e: the queries' embeddings, float[B, D]. tree: decode existing identifiers only; k is `beam`,
    and where fewer identifiers exist the last scores are -inf.
    """
    B, k = len(e), 1
    ids = torch.zeros(B, 1, 0, dtype=torch.long, device=e.device)
    scores = e.new_zeros(B, 1)
    for _ in range(decoder.L):
        prefix = ids.flatten(0, 1)  # [B k, t]
        step = decoder.log_p(e.repeat_interleave(k, 0), prefix)[:, -1]  # [B k, V]
        if tree is not None:
            step = step.masked_fill(~tree.allowed(prefix), -torch.inf)
        total = (scores.flatten()[:, None] + step).view(B, k * decoder.V)
        width = min(beam, k * decoder.V)
        scores, best = total.topk(width, 1)  # [B, width]
        parent = best // decoder.V
        kept = ids.gather(1, parent[..., None].expand(-1, -1, ids.shape[2]))
        ids, k = torch.cat([kept, best[..., None] % decoder.V], 2), width
    return ids, scores
