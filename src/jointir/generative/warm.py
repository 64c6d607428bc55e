"""A warm start of the indexing module: residual codes of the embeddings, before any training."""

import faiss
import numpy as np
import torch
from torch.nn.functional import nll_loss

from jointir.basics.errors import InputError
from jointir.basics.progress import heartbeat, say
from jointir.generative.indexers import MLPIndexer, RQIndexer, SemanticIndexer

SAMPLE, STEPS, BATCH, RATE = 50_000, 600, 1024, 1e-3


def residual_codes(e: np.ndarray, L: int, V: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes int64[n, L] and codebooks float32[L, V, D] of residual quantization by faiss.

    Raises:
        InputError: V is no power of two.
    """
    bits = V.bit_length() - 1
    if 2**bits != V:
        raise InputError("asi.vocabulary", f"{V} is no power of two", "Choose one, such as 256")
    quantizer = faiss.ResidualQuantizer(e.shape[1], L, bits)
    quantizer.cp.seed = seed
    quantizer.train_type = faiss.ResidualQuantizer.Train_default
    quantizer.max_beam_size = 1  # greedy, as in ASI++'s appendix B.1
    some = np.random.default_rng(seed).permutation(len(e))[:SAMPLE]
    with heartbeat(f"residual quantizer, {L} x {V}"):
        quantizer.train(np.ascontiguousarray(e[np.sort(some)]))
    packed = quantizer.compute_codes(np.ascontiguousarray(e))  # uint8[n, bytes]
    codes = np.zeros((len(e), L), np.int64)
    spread = np.unpackbits(packed, axis=1, bitorder="little")[:, : L * bits]
    for i in range(L):
        part = spread[:, i * bits : (i + 1) * bits].astype(np.int64)
        codes[:, i] = part @ (1 << np.arange(bits))
    books = faiss.vector_to_array(quantizer.codebooks).reshape(L, V, e.shape[1])
    return codes, books


def distil(indexer: SemanticIndexer, e: torch.Tensor, seed: int) -> torch.Tensor:
    """Teach the module residual codes of embeddings float[n, D]; return codebooks [L, V, D].

    Residual quantization takes the codebooks; a network learns the codes by cross-entropy.

    Raises:
        InputError: the module is of another kind.
    """
    codes, books = residual_codes(e.cpu().numpy(), indexer.L, indexer.V, seed)
    if isinstance(indexer, RQIndexer):
        indexer.centroids.data = torch.from_numpy(books).to(e.device)
        return indexer.centroids.detach().clone()
    if not isinstance(indexer, MLPIndexer):
        raise InputError("asi.warm_start", "not for product quantization", "Choose mlp or rq")
    target = torch.from_numpy(codes).to(e.device)
    optimizer = torch.optim.AdamW(indexer.parameters(), lr=RATE)
    generator = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        rows = torch.randint(len(e), (BATCH,), generator=generator).to(e.device)
        optimizer.zero_grad()
        loss = nll_loss(indexer.log_p(e[rows]).flatten(0, 1), target[rows].flatten())
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            say(f"warm start: step {step + 1} cross-entropy {loss.item():.3f}")
    return torch.from_numpy(books).to(e.device)
