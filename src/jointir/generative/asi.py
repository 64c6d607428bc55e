"""The `asi` stage: train ASI or ASI++ end to end (Liu et al. 2024)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from jointir.basics.errors import InputError
from jointir.basics.progress import say
from jointir.encode.embed import BATCH_TOKENS, embed_texts
from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.generative.bank import Bank, DocumentBank
from jointir.generative.dev import ByModule, State, embedded, identifier_validation
from jointir.generative.holdout import seen_documents
from jointir.generative.model import GenerativeRetriever, Shape
from jointir.generative.objective import Criteria, Objective
from jointir.generative.pairs import Pairs
from jointir.generative.warm import distil
from jointir.methods.arguments import UNMEASURED, DevOptions
from jointir.methods.asi import LEAST, NONE, Settings
from jointir.train.norm import mean_squared_norm
from jointir.train.training import Training


def asi(
    collection: Path,
    encoder: Path,
    docs: Path,
    out: Path,
    scratch: Path,
    settings: Settings,
    generated: Path | None = None,
    dev: DevOptions = UNMEASURED,
) -> None:
    """Train encoder, semantic indexing module and decoder together; write the folder `out`.

    docs: float[N, D], the collection's embeddings by the starting `encoder`, with which the bank
    begins. Indexing module and decoder start from nothing, unless with `warm_start`.

    generated: queries of the `expand` stage, which make half of each batch, with their documents.

    dev is measured on the way by what the indexing module itself says of its queries and of the
    documents in the bank, and the best weights are kept.

    Raises:
        InputError: `docs` or `generated` of another collection or dimension, or settings that do
            not fit.
    """
    _check_learned(settings)
    training = Training("asi", locals())
    seed, head_lr = settings.seed, settings.head_lr
    torch.manual_seed(seed)
    dual = DualEncoder.load(encoder).to(best_device())
    matrix = read_embeddings(docs, collection, dual.dim)
    kept = seen_documents(len(matrix), settings.holdout, seed)
    _check(len(kept), settings)
    unit = mean_squared_norm(dual, collection)
    model = GenerativeRetriever(dual, Shape.of(settings), unit).to(dual.device)
    pairs = Pairs(collection, dual, kept, seed, generated)
    objective = make_objective(model, matrix[kept], pairs, Criteria.of(settings))
    begin(objective, settings.warm_start, seed)
    groups = [
        {"params": list(dual.parameters())},
        {"params": [*model.indexer.parameters(), *model.decoder.parameters()], "lr": head_lr},
    ]
    batch, fresh, every = settings.batch, settings.fresh, settings.refresh
    apart = settings.encode_every

    def loss(step: int) -> torch.Tensor:
        return objective.loss(step, batch, 0 if step % apart else fresh)

    loss_of = refreshed(objective, loss, every)
    weights = list(model.parameters())

    def save() -> None:  # of the weights that were kept
        model.indexer.balance(objective.documents.embeddings.detach(), settings.steps)
        model.save(out)

    validation = identifier_validation(
        collection, dev, kept, lambda texts: partial(now, objective, texts)
    )
    # a checkpoint is where the next step begins with a refresh alone: a resumed training repeats it
    training.run(objective, groups, loss_of, weights, save, validation, every)


@torch.no_grad()
def now(objective: Objective, texts: list[str]) -> State:
    """Return how a model stands in its training, for the texts of queries."""
    model = objective.eval().model
    ids = objective.documents.identifiers(model.indexer).cpu().numpy()
    return State(embedded(model.encoder, texts), ids, ByModule(model.indexer))


def make_objective(
    model: GenerativeRetriever, matrix: np.ndarray, pairs: Pairs, criteria: Criteria
) -> Objective:
    """Return the objective; its banks hold `matrix`, float[n, D], and the queries as embedded now.

    matrix: the embeddings, by the starting encoder, of the documents that training may see.
    """
    encoder = model.encoder.eval()
    bf16 = has_bf16(encoder.device)
    queries = Bank(embed_texts(encoder, pairs.queries, "query", BATCH_TOKENS, bf16))
    return Objective(model, queries, DocumentBank(matrix), pairs, criteria, bf16)


def begin(objective: Objective, warm_start: bool, seed: int) -> None:
    """Give the indexing module its start, and at a warm one the decoder too."""
    model = objective.model
    e = objective.documents.embeddings.detach().to(model.encoder.device)
    if warm_start:
        model.decoder.start(distil(model.indexer, e, seed))
    else:
        model.indexer.start(e, seed)


def _check_learned(settings: Settings) -> None:
    """Refuse what only a retriever with given identifiers may leave open."""
    if settings.decoder == "sets":
        found = "sets decodes n-grams, and none are learned here"
        raise InputError("asi.decoder", found, "Choose another one, or `given: novo`")
    if settings.indexer == NONE:
        raise InputError("asi.indexer", "none learns no identifiers", "Choose mlp, pq or rq")
    for name, least in LEAST.items():
        if (value := getattr(settings, name)) < least:
            raise InputError(f"asi.{name}", f"{value} is too few", f"Set {least} at least")


def _check(documents: int, settings: Settings) -> None:
    vocabulary, fresh, batch = settings.vocabulary, settings.fresh, settings.batch
    if documents < vocabulary:
        found = f"{vocabulary} tokens a position, but {documents} documents"
        raise InputError("asi.vocabulary", found, "Choose a vocabulary below the documents")
    if not 0 < fresh <= batch // 2:
        raise InputError("asi.fresh", f"{fresh} of a batch of {batch}", "Choose half of it at most")


def refreshed(
    objective: Objective, loss_of: Callable[[int], torch.Tensor], every: int
) -> Callable[[int], torch.Tensor]:
    """Return `loss_of`, with balanced tokens and new identifiers before every so many steps."""

    def with_refresh(step: int) -> torch.Tensor:
        documents = objective.documents
        if step % every:
            return loss_of(step)
        objective.model.indexer.balance(documents.embeddings.detach(), step)
        unique = documents.refresh(objective.model.indexer)
        say(f"asi: step {step}, {unique} unique ids for {len(documents)} documents")
        loss = loss_of(step)
        shares = ", ".join(f"{name} {value:.3f}" for name, value in objective.terms().items())
        say(f"asi: step {step}, {shares}")
        return loss

    return with_refresh
