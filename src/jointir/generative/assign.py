"""The `assign-ids` stage: an identifier for every document, new ones too, without retraining."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import CHUNK, embed_texts
from jointir.encode.encoder import best_device
from jointir.encode.precision import choose_bf16
from jointir.errors import InputError
from jointir.files import atomic
from jointir.generative.controls import IDS
from jointir.generative.ids import columns
from jointir.generative.model import GenerativeRetriever


@torch.inference_mode()
def assign_ids(collection: Path, model: Path, out: Path, batch_tokens: int = 1024) -> None:
    """Write doc_id and the tokens id_1 ... id_L, each in [0, V), of every document as parquet.

    Raises:
        InputError: the model's identifiers were given in advance, for another collection.
    """
    corpus = read_corpus(collection)
    doc_ids = corpus["doc_id"]
    if (model / IDS).is_file():
        ids = np.load(model / IDS)
        if len(ids) != len(doc_ids):
            found = f"holds {len(ids)} identifiers, the collection {len(doc_ids)} documents"
            raise InputError(model / IDS, found, "Train on this collection")
    else:
        ids = _assigned(GenerativeRetriever.load(model), document_texts(corpus), batch_tokens)
    frame = pd.DataFrame(ids.astype(np.int16), columns=columns(ids.shape[1]))
    frame.insert(0, "doc_id", doc_ids.to_numpy())
    with atomic(out) as scratch:
        frame.to_parquet(scratch, index=False)


def _assigned(model: GenerativeRetriever, texts: list[str], batch_tokens: int) -> np.ndarray:
    model = model.to(best_device()).eval()
    encoder = model.encoder
    bf16 = choose_bf16(encoder, encoder.tokenize(texts[:256], "document"), "auto")
    found = []
    for at in range(0, len(texts), CHUNK):
        e = embed_texts(encoder, texts[at : at + CHUNK], "document", batch_tokens, bf16)
        found.append(model.indexer.ids(torch.from_numpy(e).to(encoder.device)).cpu().numpy())
    return np.concatenate(found)
