"""The `assign-ids` stage: an identifier for every document, new ones too, without retraining."""

from pathlib import Path

import numpy as np
import torch

from jointir.basics.files import atomic
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import CHUNK, embed_texts
from jointir.encode.encoder import best_device
from jointir.encode.precision import CHECKED, choose_bf16
from jointir.generative.ids import write_ids
from jointir.generative.model import GenerativeRetriever


@torch.inference_mode()
def assign_ids(
    collection: Path, model: Path, out: Path, docs: Path, batch_tokens: int = 1024
) -> None:
    """Write every document's identifier, and the embeddings that gave it as `docs`, float16[N, D].

    Documents that training never saw get theirs like all others.
    """
    corpus = read_corpus(collection)
    texts = document_texts(corpus)
    retriever = GenerativeRetriever.load(model).to(best_device()).eval()
    encoder = retriever.encoder
    bf16 = choose_bf16(encoder, encoder.tokenize(texts[:CHECKED], "document"), "auto")
    ids, matrix = [], np.empty((len(texts), encoder.dim), np.float16)
    for at in range(0, len(texts), CHUNK):
        e = embed_texts(encoder, texts[at : at + CHUNK], "document", batch_tokens, bf16)
        matrix[at : at + CHUNK] = e
        ids.append(retriever.indexer.ids(torch.from_numpy(e).to(encoder.device)).cpu().numpy())
    with atomic(docs) as scratch, scratch.open("wb") as f:
        np.save(f, matrix)
    write_ids(out, corpus["doc_id"], np.concatenate(ids))
