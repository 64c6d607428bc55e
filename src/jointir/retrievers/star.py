"""STAR: train the dual encoder on in-batch random and static hard negatives.

Zhan et al. 2021, "Optimizing Dense Retrieval Model Training with Hard Negatives", section 4.1:
L = L_hard + w L_random, a pair-wise RankNet loss over negatives that the starting encoder ranks
high and over the other documents of the batch. The authors' code (DRhard, model.py) has one mean
over all pairs of the batch; here a query's own hard negative has half of the loss (w = 1, where 62
would be theirs for a batch of 32: on dev of four collections level or a little worse, LOG).
"""

from functools import partial

from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import BATCH_TOKENS
from jointir.encode.encoder import DualEncoder
from jointir.encode.matrix import read_embeddings
from jointir.encode.precision import has_bf16
from jointir.methods.arguments import UNSAMPLED, EncoderFiles, SampleOptions
from jointir.methods.star import Settings
from jointir.train.batches import Batches
from jointir.train.dev import dual_validation
from jointir.train.dual_encoder import fit, star_loss
from jointir.train.mining import negatives_of
from jointir.train.negatives import refreshed
from jointir.train.norm import mean_squared_norm
from jointir.train.pairs import used_pairs
from jointir.train.processes import from_main, place
from jointir.train.training import Training


def star(files: EncoderFiles, settings: Settings, dev: SampleOptions = UNSAMPLED) -> None:
    """Train an encoder and write the STAR encoder.

    The hard negatives are mined once: from `docs` or, without them, from candidates that are
    embedded here. One of the top `depth` is drawn each time a query comes up. Without `scale`
    logistic losses over cosines would hardly train; rankings do not see it. dev: by which the best
    weights are kept, the start's among them (`dual_validation`).

    Raises:
        InputError: `docs` are of another collection, or not of the encoder's dimension.
    """
    training = Training("star", locals())
    collection = files.collection
    model = DualEncoder.load(files.encoder).to(place().device)
    pairs, bodies = used_pairs(collection, settings), document_texts(read_corpus(collection))
    known = None if files.docs is None else read_embeddings(files.docs, collection, model.dim)
    depth, bf16 = negatives_of(pairs, settings.depth), has_bf16(model.device)
    mined = from_main(lambda: refreshed(model, pairs, bodies, depth, BATCH_TOKENS, bf16, known))
    batches = Batches(model, pairs, lambda _: mined, bodies, settings.batch, settings.seed)
    factor = settings.scale / mean_squared_norm(model, collection)
    chooser = dual_validation(collection, dev, model)
    loss = partial(star_loss, random_weight=settings.random_weight)
    fit(training, batches, factor, loss, chooser, lambda: model.save(files.out))
