"""JPQ: train the query encoder and the PQ centroids together (Zhan et al. 2021, CIKM).

Decisions where the paper is silent, most of them as in its authors' code:
- the query encoder's gradients are cut to norm 1, the centroids' are not;
- LambdaRank's weights are |1/rank_i - 1/rank_j| over the retrieved list, a positive that was not
  retrieved being appended to it; `lambda_cut` is the rank beyond which 1/rank counts as 0;
- inner products are divided by the encoder's mean squared norm and multiplied by `scale` inside the
  loss, and squared distances are divided, too: `scale` then means the same for every encoder. The
  paper's embeddings are long and its inner products raw; a logistic loss over differences below 1
  would hardly train. Learning rates are those of weights and centroids as they are;
- plain OPQ has no coarse vector, so there is none to fold into the centroids;
- learning rate: linear warm-up, then linear to 0; the number of steps is a budget chosen on dev.

What differs from the authors' code (github.com/jingtaozhan/JPQ, jpq/run_train.py):
- `lambdarank` sums over pairs, theirs is the mean over a query's pairs. AdamW does not see a
  constant factor; a query of four positives weighs four times here;
- negatives come from documents that have a train query (`mined_from`; theirs: from all), because
  the others could only ever be negatives, and new queries ask for just such documents;
- the loss has a second part, `distillation`: the KL from the starting encoder's exact scores to the
  quantized ones. It needs no label, so that `ranking: 0` trains without any (Distill-VQ's idea);
- beside it LambdaRank scores documents' own embeddings (`exact`; theirs: the quantized ones): it
  says what a query wants, and distillation brings the quantized scores near;
- distillation also learns with `sentences` of documents without a train query;
- word embeddings may stay as they are (`train_words`): most of their rows are in no query;
- dev is measured on the way, and the start is kept where no step is surely better (Validation).
As theirs: weight decay acts on matrices alone, not on biases, norms and centroids.
`ranking: 1, exact: false, distillation: 0, mined_from: all, train_words: true` and
`validation.every: 0` is the paper's training.

The same stage trains the ablation's variants (section 5.3): `exact` scores without distillation are
those of "+JPQ Neg", a `centroid_lr` of 0 leaves the index as it was ("+JPQ Loss"), an `lr` of 0 the
query encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import faiss
import numpy as np
import torch

from jointir.encode.encoder import DualEncoder
from jointir.encode.precision import autocast, has_bf16
from jointir.joint.criterion import Criterion, embedded_rows, read_docs, read_teacher
from jointir.joint.distillation import distillation as distillation_loss
from jointir.joint.index import TrainablePQ
from jointir.joint.lambdarank import lambdarank
from jointir.joint.sentences import Sentences, embedded_sentences
from jointir.methods.arguments import UNMEASURED, DevOptions, Files
from jointir.methods.jpq import Settings
from jointir.quantize.pq import read_index, read_pq, replace_centroids, searchable, write_index
from jointir.train.dev import validation
from jointir.train.loop import UNDECAYED, decayed
from jointir.train.mining import negatives_of
from jointir.train.norm import mean_squared_norm
from jointir.train.pairs import TrainingPairs, training_pairs
from jointir.train.processes import mean_of_all, own_rows, place
from jointir.train.queries import drawn
from jointir.train.training import Training


class JPQ(torch.nn.Module):
    """The two things that JPQ trains: f of eq. 1 for queries, and {c_ij} of eq. 7."""

    def __init__(self, encoder: DualEncoder, index: TrainablePQ):
        super().__init__()
        self.encoder, self.index = encoder, index

    def embed(self, *texts: list[list[int]], bf16: bool) -> tuple[torch.Tensor, ...]:
        """Embed lists of token ids in one pass; of each list a tensor, float[b, D].

        Of several processes, each embeds its share of every list.
        """
        mine = [own[own_rows(len(own))] for own in texts]
        with autocast(self.encoder.device, bf16):
            embedded = self.encoder([tokens for own in mine for tokens in own])
        return embedded.float().split([len(own) for own in mine])

    def loss(
        self,
        queries: torch.Tensor,
        positives: torch.Tensor,
        valid: torch.Tensor,
        criterion: Criterion,
        docs: np.ndarray | None = None,
        never: tuple[torch.Tensor, torch.Tensor] | None = None,
        teacher: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch of B queries: int64[B, P] relevant rows, bool[B, P].

        queries: float[b, D], by `embed`. docs: float[N, D], the embeddings that `exact`,
        `reconstruction` and `distillation` need. never: rows and mask as those two, what is no
        negative; the relevant ones where it is None. teacher: float[B, D], the queries as the
        starting encoder has them, for `distillation`.
        """
        B, mine, of_all = len(positives), own_rows(len(positives)), valid
        positives, valid = positives[mine], valid[mine]
        left_out = (positives, valid) if never is None else tuple(t[mine] for t in never)
        loss = queries.new_zeros(())
        if criterion.ranking:
            own = self._ranking(queries, positives, valid, left_out, criterion, docs)
            loss = loss + criterion.ranking * mean_of_all(own, len(queries), B)
        if criterion.distillation:
            own = self._distillation(queries, positives[:, 0], teacher[mine], criterion, docs)
            loss = loss + criterion.distillation * mean_of_all(own, len(queries), B)
        if criterion.reconstruction:
            relevant = positives[valid]
            error = self.index.distortion(embedded_rows(docs, relevant), relevant).mean()
            error = mean_of_all(error, len(relevant), int(of_all.sum()))
            loss = loss + criterion.reconstruction * error
        return loss

    def distil(
        self, queries: torch.Tensor, learned: Sentences, criterion: Criterion, docs: np.ndarray
    ) -> torch.Tensor:
        """Return the mean KL of Criterion over S sentences, each document among its best n.

        queries: float[s, D], the sentences by `embed`.
        """
        S = len(learned.tokens)
        mine = own_rows(S)
        rows, teacher = (torch.from_numpy(a[mine]).to(queries.device) for a in learned[1:])
        own = self._distillation(queries, rows, teacher, criterion, docs)
        return mean_of_all(own, len(queries), S)

    def _ranking(
        self,
        queries: torch.Tensor,
        positives: torch.Tensor,
        valid: torch.Tensor,
        left_out: tuple[torch.Tensor, torch.Tensor],
        criterion: Criterion,
        docs: np.ndarray | None,
    ) -> torch.Tensor:
        """Return eq. 21 for float[B, D] queries; the other arguments as in `loss`."""
        P = positives.shape[1]
        found = self.index.top_negatives(queries.detach(), *left_out, criterion.negatives)  # [B, n]
        rows = torch.cat([positives, found], 1)
        if criterion.exact:
            scores = torch.einsum("bd,bnd->bn", queries, embedded_rows(docs, rows))
        else:
            scores = self.index.scores(queries, rows)
        scores = (criterion.scale * scores).masked_fill(rows < 0, -torch.inf)  # no document
        return lambdarank(scores[:, :P], scores[:, P:], valid, criterion.lambda_cut)

    def _distillation(
        self,
        queries: torch.Tensor,
        relevant: torch.Tensor,
        teacher: torch.Tensor,
        criterion: Criterion,
        docs: np.ndarray,
    ) -> torch.Tensor:
        """Return the KL of Criterion over the best n documents, `relevant` int64[B] among them."""
        rows = self.index.best(queries.detach(), criterion.negatives)  # [B, n]
        lacking = (rows != relevant[:, None]).all(1)
        rows[lacking, -1] = relevant[lacking]
        exact = torch.einsum("bd,bnd->bn", teacher, embedded_rows(docs, rows))
        quantized = self.index.scores(queries, rows)
        return self.divergence(criterion.scale * quantized, criterion.scale * exact)

    def divergence(self, quantized: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        """Return how far quantized scores are from exact ones, both float[B, n] and scaled: the KL.

        The mean over the B queries. A method on top of JPQ may have another.
        """
        return distillation_loss(quantized, exact)


@dataclass(frozen=True)
class Lesson:
    """What a training has beside the model: its queries, its sentences and who teaches both.

    docs, teacher: float[N, D], float[T, D], embeddings by the starting encoder of documents and of
    train queries; None where the criterion needs none. sentences: S of them are learned with each
    step. bf16: whether queries are embedded in bfloat16.
    """

    pairs: TrainingPairs
    draw: Callable[[int], tuple]
    criterion: Criterion
    docs: np.ndarray | None
    teacher: np.ndarray | None
    sentences: Sentences | None
    S: int
    bf16: bool

    @classmethod
    def of(cls, model: JPQ, files: Files, settings: Settings) -> "Lesson":
        """Return that of a training that begins: the model's encoder is still the starting one.

        Raises:
            InputError: as `jpq`.
        """
        collection, encoder = files.collection, model.encoder
        criterion = Criterion.of(settings, mean_squared_norm(encoder, collection))
        docs = read_docs(files.docs, collection, encoder.dim, criterion)
        pairs = training_pairs(collection, settings.mined_from)
        negatives_of(pairs, settings.negatives)
        draw = drawn(pairs, encoder, settings.batch, settings.seed)
        teacher = read_teacher(files.teacher, collection, encoder.dim, criterion)
        bf16, S = has_bf16(encoder.device), settings.sentences if settings.distillation else 0
        asked = (settings.steps, S, settings.seed, bf16)
        beside = embedded_sentences(collection, encoder, *asked) if S else None
        return cls(pairs, draw, criterion, docs, teacher, beside, S, bf16)

    def loss(self, model: JPQ, step: int) -> torch.Tensor:
        """Return the loss of a step: a sentence weighs as much as a query."""
        tokens, positives, never, chosen = self.draw(step)
        own = None
        if self.teacher is not None:
            own = self.teacher[self.pairs.rows[chosen]].astype(np.float32)
            own = torch.from_numpy(own).to(model.encoder.device)
        learned = self.sentences and self.sentences.of(step, self.S)
        texts = [tokens, learned.tokens] if learned else [tokens]
        queries, *sentences = model.embed(*texts, bf16=self.bf16)
        loss = model.loss(queries, *positives, self.criterion, self.docs, never, own)
        if learned:
            more = model.distil(*sentences, learned, self.criterion, self.docs)
            loss = loss + self.criterion.distillation * self.S / len(tokens) * more
        return loss


def jpq(
    files: Files,
    settings: Settings,
    dev: DevOptions = UNMEASURED,
    kind: type[JPQ] = JPQ,
) -> None:
    """Train query encoder and centroids, from an encoder and an OPQ index of its embeddings.

    Rotation and codes of the new index are those of the old one, K = 256 or 16; codes of 4 bits are
    laid out for FastScan. `docs` are read for `exact`, `reconstruction` and `distillation` alone
    (see Criterion), and `teacher` for `distillation`.

    dev: by which the best weights are kept, the start's among them (see Validation). kind: whose
    `loss` is minimized.

    Raises:
        InputError: the index is no PQ of 4 or 8 bits, its dimension or that of `docs` is not the
            encoder's, or `docs` are missing or of another collection.
    """
    training = Training(kind.__name__.lower(), locals())
    start = DualEncoder.load(files.encoder)
    if not settings.train_words:
        start.fix_words()
    model = kind(start, TrainablePQ(read_pq(files.index, start.dim))).to(place().device)
    lesson = Lesson.of(model, files, settings)
    model.index.mine_from(lesson.pairs.among)
    chooser = validation(files.collection, dev, model.encoder, model.index.search)
    weights = list(model.encoder.parameters())
    centroids = {"params": [model.index.centroids], "lr": settings.centroid_lr}
    groups = [*decayed(weights), centroids | UNDECAYED]

    def save() -> None:
        trained = read_index(files.index)
        replace_centroids(trained, model.index.centroids.detach().cpu().numpy())
        write_index(searchable(faiss.downcast_index(trained)), files.out_index)
        model.encoder.save(files.out_encoder, "query")

    training.run(model, groups, partial(lesson.loss, model), weights, save, chooser)
