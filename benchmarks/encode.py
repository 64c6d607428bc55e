"""Documents embedded a second: this project against sentence-transformers, side by side."""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import embed_texts
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import choose_bf16
from jointir.measure.machine import processor

OURS, THEIRS = "jointir, auto precision", "sentence-transformers, same length"


def machine() -> str:
    """Return the processor, those of its flags that matter here, and the threads in use."""
    model, flags = processor()
    load = f"load {os.getloadavg()[0]:.1f}"
    parts = [model or "unknown CPU", " ".join(flags) or "no AVX", load]
    return ", ".join([*parts, f"{torch.get_num_threads()} threads, {best_device()}"])


def plain(folder: Path, length: int) -> Callable[[list[str]], np.ndarray]:
    """Return sentence-transformers' own encode, its defaults but for the maximal length."""
    model = SentenceTransformer(str(folder), device=str(best_device()), local_files_only=True)
    model.max_seq_length = length
    return lambda texts: model.encode_document(texts, show_progress_bar=False)


def contenders(folder: Path, texts: list[str]) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """Return what is compared, by name."""
    ours = DualEncoder.load(folder).to(best_device()).eval()
    bf16 = choose_bf16(ours, ours.tokenize(texts[:256], "document"), "auto")
    return {
        OURS: lambda t: embed_texts(ours, t, "document", 1024, bf16),
        "jointir, float32": lambda t: embed_texts(ours, t, "document", 1024, False),
        THEIRS: plain(folder, ours.max_length["document"]),
        "sentence-transformers, length 256": plain(folder, 256),
    }


def main() -> None:
    """Time every contender in turn, `rounds` times, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--n", type=int, default=5000, help="documents")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = document_texts(read_corpus(options.collection).head(options.n))
    compared = contenders(options.encoder, texts)
    answers = {name: embed(texts[:64]) for name, embed in compared.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(options.rounds):
        for name, embed in compared.items():  # interleaved: a busy machine slows all of them
            begin = time.perf_counter()
            embed(texts)
            seconds[name].append(time.perf_counter() - begin)
    print(f"{machine()}; {len(texts)} documents, {options.rounds} rounds")
    print(f"{'':36} {'docs/s':>8} {'slowest':>8} {'fastest':>8} {'ratio':>6} {'cosine':>8}")
    base = statistics.median(seconds[THEIRS])
    for name, took in seconds.items():
        rates = [len(texts) / s for s in (statistics.median(took), max(took), min(took))]
        a, b = answers[name], answers[THEIRS]
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        columns = " ".join(f"{r:8.1f}" for r in rates)
        print(f"{name:36} {columns} {base / statistics.median(took):6.2f} {cosine.mean():8.5f}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
