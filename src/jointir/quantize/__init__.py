"""Product quantization: fit with faiss, read and write its centroids, decode."""
