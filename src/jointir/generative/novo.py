"""The `novo` stage: identifiers that are sets of n-grams of the documents (NOVO, Wang et al. 2023).

Which n-grams a document has is learned by query modelling from noisy documents: a softmax over
words reads a document's embedding without a share of its components, and learns the words of the
document's query. What it says of a document's own words tells which n-grams matter. The decoder
then learns the n-grams' vectors by retrieval (sets.py). What stands in for T5, and how far this is
the paper's: docs/reproduction.md.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from jointir.basics.progress import say
from jointir.data.store import document_texts, read_corpus
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.generative.chosen import best_ngrams, numbers_of, words_of
from jointir.generative.controls import write_given
from jointir.generative.holdout import seen_documents
from jointir.generative.linear import LinearDecoder
from jointir.generative.model import Shape
from jointir.generative.pairs import Pairs
from jointir.methods.novo import Settings
from jointir.train.norm import mean_squared_norm
from jointir.train.training import Training

CHUNK = 256  # documents whose words' probabilities are in memory at a time
TOLD = 3  # documents whose n-grams are told


class QueryModel:
    """p(word | document), which begins as the words of the documents near an embedding."""

    def __init__(self, words: list[list[str]], docs: torch.Tensor, scale: float, unit: float):
        """words: of each document; docs: float[N, D]. Both of those that training may see."""
        rows = defaultdict(list)
        for row, own in enumerate(words):
            for word in set(own):
                rows[word].append(row)
        self.number = {word: i for i, word in enumerate(sorted(rows))}
        self.linear = LinearDecoder(docs.shape[1], 1, len(rows), unit).to(docs.device)
        means = torch.stack([docs[rows[word]].mean(0) for word in self.number])
        self.linear.start(means[None], scale)
        count = torch.tensor([len(rows[word]) for word in self.number], device=docs.device)
        with torch.no_grad():
            self.linear.bias.copy_(count.log())

    def log_p(self, e: torch.Tensor) -> torch.Tensor:
        """Return log p(word | e), float[B, W]."""
        return self.linear.log_p(e, torch.zeros(len(e), 0, dtype=torch.long))[:, 0]

    def targets(self, texts: list[list[str]]) -> torch.Tensor:
        """Return float[B, W]: the words of each query alike; zeros where none is known."""
        found = torch.zeros(len(texts), len(self.number))
        for row, text in enumerate(texts):
            own = [self.number[word] for word in set(text) & self.number.keys()]
            found[row, own] = 1 / max(1, len(own))
        return found.to(self.linear.bias.device)

    @torch.no_grad()
    def values(self, words: list[list[str]], docs: torch.Tensor) -> list[np.ndarray]:
        """Return what each word of each document says of it: p log(p / q), 0 for unknown words.

        p: of the word, given the document. q: its mean over the documents. The sum over all words
        is the KL divergence.
        """
        total = sum(self.log_p(part).exp().sum(0) for part in docs.split(CHUNK))
        mean, found = (total / len(docs)).log(), []
        for at in range(0, len(docs), CHUNK):
            log_p = self.log_p(docs[at : at + CHUNK])
            value = torch.cat([log_p.exp() * (log_p - mean), log_p.new_zeros(len(log_p), 1)], 1)
            for own, row in zip(words[at : at + CHUNK], value.cpu().numpy(), strict=True):
                found.append(row[[self.number.get(word, -1) for word in own]])
        return found


def novo(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    out_ids: Path,
    scratch: Path,
    indexer: str,
    length: int,
    vocabulary: int,
    decoder: str,
    layers: int,
    width: int,
    prototypes: int,
    settings: Settings,
    generated: Path | None = None,
) -> None:
    """Choose n-grams; write identifiers to `out_ids`, a model that knows their sets to `out`.

    docs: float[N, D], the collection's embeddings by `encoder`, which stays as it is. length: 1.
    vocabulary: 0, for as many as there are sets. decoder: `sets`. indexer, layers, width,
    prototypes: as for `fixed-ids`. generated: queries of the `expand` stage, beside the train
    queries. Documents of one set share an identifier.

    Raises:
        InputError: `docs` or `generated` are of another collection, or `length` is not 1.
    """
    training = Training("novo", locals())
    torch.manual_seed(settings.seed)
    dual = DualEncoder.load(encoder).to(best_device())
    e = torch.tensor(read_embeddings(docs, collection, dual.dim).astype(np.float32)).to(dual.device)
    kept = seen_documents(len(e), settings.holdout, settings.seed)
    words = [words_of(text) for text in document_texts(read_corpus(collection))]
    pairs = Pairs(collection, dual, kept, settings.seed, generated)
    unit = mean_squared_norm(dual, collection)
    seen = e[torch.from_numpy(kept)]
    model = QueryModel([words[row] for row in kept], seen, settings.scale, unit)
    queries = [words_of(text) for text in pairs.queries]

    def loss_of(step: int) -> torch.Tensor:
        drawn = pairs(step, settings.batch)
        rng = np.random.default_rng([settings.seed, 11, step])
        there = rng.random((settings.batch, e.shape[1]), np.float32) >= settings.noise
        noisy = seen[drawn.docs] * torch.from_numpy(there).to(e) / (1 - settings.noise)
        target = model.targets([queries[q] for q in drawn.queries])
        return -(target * model.log_p(noisy)).sum(1).mean()

    def save() -> None:
        values, shown = model.values(words, e), (settings.words, settings.ngrams)
        ngrams = [best_ngrams(*both, *shown) for both in zip(words, values, strict=True)]
        for own in ngrams[:TOLD]:
            say(f"novo: {', '.join(own)}")
        sets, ids = np.unique(numbers_of(ngrams)[0], axis=0, return_inverse=True)
        shape = Shape(indexer, length, len(sets), decoder, layers, width, prototypes)
        torch.manual_seed(settings.seed)  # the model is the same, however it was resumed
        write_given(out, out_ids, dual.cpu(), collection, ids.reshape(-1, 1), shape, unit, sets)

    weights = list(model.linear.parameters())
    training.run(model.linear, [{"params": weights}], loss_of, weights, save)
