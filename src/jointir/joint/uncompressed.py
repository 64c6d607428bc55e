"""Documents' own embeddings behind the interface of the index that JPQ trains."""

import numpy as np
import torch

from jointir.joint.index import TrainablePQ
from jointir.quantize.pq import PQ


class Uncompressed(TrainablePQ):
    """Embeddings, searched and scored as an index is: one part, a centroid for each document."""

    def __init__(self, docs: np.ndarray):
        N, D = docs.shape
        pq = PQ(np.eye(D, dtype=np.float32), docs[None], np.zeros((N, 1), np.uint8))
        super().__init__(pq)
        self.register_buffer("codes", torch.arange(N)[:, None])  # more than a byte holds
