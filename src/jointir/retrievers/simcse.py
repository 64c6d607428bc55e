"""Unsupervised SimCSE: a sentence and itself under another dropout are a pair, without any label.

Source: Gao, Yao, Chen 2021, section 3: in-batch negatives, cosines divided by a temperature. Here
the sentences are those of the collection's documents, where theirs are a million of Wikipedia's;
the encoder keeps its own pooling, without the layer that they put behind BERT's first token; and
training starts from the encoder in `start`, which by default is no plain BERT.
"""

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, normalize

from jointir.basics.errors import InputError
from jointir.data.store import document_texts, read_about, read_corpus
from jointir.encode.encoder import DualEncoder
from jointir.encode.precision import autocast, has_bf16
from jointir.joint.sentences import sentences_of
from jointir.methods.arguments import UNSAMPLED, EncoderFiles, SampleOptions
from jointir.methods.simcse import Settings
from jointir.train.dev import dual_validation
from jointir.train.loop import decayed
from jointir.train.processes import place
from jointir.train.training import Training


def set_dropout(model: torch.nn.Module, rate: float) -> None:
    """Set the rate of every dropout of a model in memory: what is saved, its configuration, stays.

    Raises:
        InputError: the model has no module of dropout, so that both views would be the same.
    """
    found = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    if not found:
        remedy = "Choose an encoder whose transformer has dropout, as BERT's"
        raise InputError("simcse", "the encoder has no dropout to learn from", remedy)
    for module in found:
        module.p = rate


def contrast(one: torch.Tensor, other: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return eq. 4 for two views of B sentences, float[B, D] each: the cross-entropy of its own."""
    cosines = normalize(one, dim=1) @ normalize(other, dim=1).T
    return cross_entropy(cosines / temperature, torch.arange(len(one), device=one.device))


def sentences(collection: Path, n: int, seed: int) -> list[str]:
    """Return n sentences of documents that have text, drawn with repetition."""
    corpus, empty = read_corpus(collection), read_about(collection).empty
    rows = (~corpus["doc_id"].isin(empty)).to_numpy().nonzero()[0]
    return sentences_of(document_texts(corpus), rows, n, seed)[0]


def simcse(files: EncoderFiles, settings: Settings, dev: SampleOptions = UNSAMPLED) -> None:
    """Train an encoder on sentences of the collection's documents.

    dev: as in `star`; dev's judgements are all the labels that have a part in it.

    Raises:
        InputError: the encoder has no dropout.
    """
    training, collection = Training("simcse", locals()), files.collection
    model = DualEncoder.load(files.encoder).to(place().device)
    set_dropout(model, settings.dropout)
    B, bf16 = settings.batch, has_bf16(model.device)
    texts = sentences(collection, settings.steps * B, settings.seed)

    def loss_of(step: int) -> torch.Tensor:
        tokens = model.tokenize(texts[step * B : (step + 1) * B], "document")
        with autocast(model.device, bf16):
            views = [model(tokens).float() for _ in range(2)]
        return contrast(*views, settings.temperature)

    weights = list(model.parameters())
    chooser = dual_validation(collection, dev, model)
    training.run(model, decayed(weights), loss_of, weights, lambda: model.save(files.out), chooser)
