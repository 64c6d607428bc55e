"""TCT-ColBERT: a dual encoder that learns from a late-interaction teacher.

Lin et al. 2020, "Distilling Dense Representations for Ranking using Tightly-Coupled Teachers":
L = gamma CE(relevant) + (1 - gamma) KL(teacher || student) over the documents of the batch, the
teacher's scores divided by a temperature.
"""

import torch
from torch.nn.functional import kl_div, log_softmax, nll_loss

from jointir.encode.encoder import DualEncoder, best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.methods.arguments import UNSAMPLED, EncoderFiles, SampleOptions
from jointir.methods.tct_colbert import Settings
from jointir.retrievers.late import LateInteraction
from jointir.train.batches import bm25_batches
from jointir.train.dev import dual_validation
from jointir.train.loop import decayed
from jointir.train.norm import mean_squared_norm
from jointir.train.training import Training


def distillation_loss(
    student: torch.Tensor,
    teacher: torch.Tensor,
    relevant: torch.Tensor,
    gamma: float,
    temperature: float,
) -> torch.Tensor:
    """Return the mean over B queries of L above.

    student, teacher: float[B, n] scores, column b the positive of query b. relevant: bool[B, n];
    what is relevant, or no negative, beside the positive takes no part. temperature: of the
    teacher's scores; the student's are taken as they are.
    """
    own = torch.arange(len(student), device=student.device)
    others = relevant.clone()
    others[own, own] = False
    log_p = log_softmax(student.masked_fill(others, -1e4), 1)  # [B, n]
    target = log_softmax((teacher / temperature).masked_fill(others, -1e4), 1)
    soft = kl_div(log_p, target, reduction="batchmean", log_target=True)
    return gamma * nll_loss(log_p, own) + (1 - gamma) * soft


def tct(files: EncoderFiles, settings: Settings, dev: SampleOptions = UNSAMPLED) -> None:
    """Train an encoder towards the scores of `teacher`, a folder of the `colbert` stage.

    Negatives are BM25's. The teacher's tokens have length 1. dev: as in `star`.

    Raises:
        InputError: `teacher` holds no late-interaction model.
    """
    training = Training("tct-colbert", locals())
    device = best_device()
    guide = LateInteraction.load(files.teacher).to(device).eval().requires_grad_(False)
    model = DualEncoder.load(files.encoder).to(device)
    factor = settings.scale / mean_squared_norm(model, files.collection)
    sampler = bm25_batches(model, files.collection, settings)
    bf16 = has_bf16(device)
    weighted = (settings.gamma, settings.temperature)

    def loss_of(step: int) -> torch.Tensor:
        q, d, relevant = sampler(step)
        with autocast(device, bf16):
            wanted = guide.scores(q, d)  # [B, 2B]
            scores = factor * (model(q) @ model(d).T)
        relevant = relevant.to(device)
        return distillation_loss(scores.float(), wanted, relevant, *weighted)

    weights = list(model.parameters())
    chooser = dual_validation(files.collection, dev, model)
    training.run(model, decayed(weights), loss_of, weights, lambda: model.save(files.out), chooser)
