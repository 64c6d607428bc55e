"""k-means, by faiss."""

import faiss
import numpy as np
import torch

ROUNDS = 20


def k_means(x: torch.Tensor, K: int, seed: int) -> torch.Tensor:
    """Return K centroids float[K, w] of float[n, w], n at least K."""
    clusters = faiss.Kmeans(x.shape[1], K, niter=ROUNDS, seed=seed, min_points_per_centroid=1)
    clusters.train(np.ascontiguousarray(x.cpu().numpy()))
    return torch.from_numpy(clusters.centroids).to(x)
