"""A list-wise loss without labels: quantized scores learn to be the exact ones."""

import torch
from torch.nn.functional import kl_div, log_softmax


def distillation(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean over B queries of KL(softmax(teacher) || softmax(student)).

    student, teacher: float[B, n], scores of the same n documents a query, -inf for none. No
    gradient reaches the teacher.

    Source: Distill-VQ (Xiao et al. 2022, "Distill-VQ: Learning Retrieval Oriented Vector
    Quantization By Distilling Knowledge from Dense Embeddings"), whose list-wise loss, ListNet's
    cross entropy, has the same gradient. There the documents are sampled; here they are the best of
    the index as it is.
    """
    none = torch.isinf(student)
    wanted = log_softmax(teacher.detach().masked_fill(none, -torch.inf), 1)
    found = log_softmax(student, 1)
    # of no document both are -inf, whose difference is no number
    wanted, found = wanted.masked_fill(none, -1e4), found.masked_fill(none, -1e4)
    return kl_div(found, wanted, reduction="batchmean", log_target=True)
