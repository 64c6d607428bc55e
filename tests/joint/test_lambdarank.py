"""LambdaRank against a loop over one query's list, and the centroids' gradient against eq. 19."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jointir.joint.index import TrainablePQ
from jointir.joint.lambdarank import lambdarank, reciprocal_ranks
from jointir.quantize.pq import PQ


def pair_weights(positive: list[float], negative: list[float], cut: int) -> dict:
    """Return |1/rank_i - 1/rank_j| of each pair of a positive and a negative of one query.

    The list is what a search for the top negatives sees, relevant documents among them; those
    that it did not reach are appended, the best first.
    """
    lowest = min(negative)
    retrieved = [("-", j, s) for j, s in enumerate(negative)]
    retrieved += [("+", i, s) for i, s in enumerate(positive) if s > lowest]
    missed = [("+", i, s) for i, s in enumerate(positive) if s <= lowest]
    ranked = sorted(retrieved, key=lambda x: -x[2]) + sorted(missed, key=lambda x: -x[2])
    gain = {}
    for rank, (kind, number, _) in enumerate(ranked, 1):
        gain[kind, number] = 1 / rank if rank <= cut else 0.0
    return {
        (i, j): abs(gain["+", i] - gain["-", j])
        for i in range(len(positive))
        for j in range(len(negative))
    }


def loop_loss(positive: list[list[float]], negative: np.ndarray, cut: int) -> float:
    """Return the mean over queries of the sum over pairs of w log(1 + exp(s- - s+))."""
    total = 0.0
    for own, others in zip(positive, negative.tolist(), strict=True):
        for (i, j), weight in pair_weights(own, others, cut).items():
            total += weight * math.log1p(math.exp(others[j] - own[i]))
    return total / len(positive)


def padded(positive: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores [B, P] with noise where there is no positive, and which are real."""
    P = max(map(len, positive))
    noise = [99.0, -99.0, 0.5, 3.0, 7.0]
    rows = [p + noise[: P - len(p)] for p in positive]
    valid = [[True] * len(p) + [False] * (P - len(p)) for p in positive]
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(valid)


@st.composite
def cases(draw):
    """Draw queries of one to four positives and n negatives each, no score twice in a query."""
    B, n = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    counts = [draw(st.integers(1, 4)) for _ in range(B)]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scores = [rng.permutation(np.arange(40))[: c + n] / 5 - 4 for c in counts]
    positive = [s[:c].tolist() for s, c in zip(scores, counts, strict=True)]
    negative = np.stack([s[c:] for s, c in zip(scores, counts, strict=True)])
    return positive, negative, draw(st.integers(1, 20))


@given(cases())
@settings(max_examples=200, deadline=None)
def test_loss_equals_the_loop_over_one_list_a_query(case):
    positive, negative, cut = case
    scores, valid = padded(positive)
    found = lambdarank(scores, torch.from_numpy(negative), valid, cut).item()
    assert found == pytest.approx(loop_loss(positive, negative, cut), abs=1e-5, rel=1e-5)


@given(cases())
@settings(deadline=None)
def test_gradient_is_minus_alpha_for_positives_and_alpha_for_negatives(case):
    """Eq. 17, with alpha = w sigmoid(s- - s+): the weights are constants to the gradient."""
    positive, negative, cut = case
    scores, valid = padded(positive)
    scores.requires_grad_()
    others = torch.from_numpy(negative).requires_grad_()
    lambdarank(scores, others, valid, cut).backward()
    expected, expected_others = np.zeros(scores.shape), np.zeros(negative.shape)
    for b, own in enumerate(positive):
        for (i, j), weight in pair_weights(own, negative[b].tolist(), cut).items():
            alpha = weight / (1 + math.exp(own[i] - negative[b, j])) / len(positive)
            expected[b, i] -= alpha
            expected_others[b, j] += alpha
    np.testing.assert_allclose(scores.grad, expected, atol=1e-6)
    np.testing.assert_allclose(others.grad, expected_others, atol=1e-6)


def test_ranks_by_hand():
    positive = torch.tensor([[5.0, 1.0], [2.5, 99.0]])
    negative = torch.tensor([[6.0, 4.0, 3.0], [3.0, 1.0, 2.0]])
    valid = torch.tensor([[True, True], [True, False]])
    pos, neg = reciprocal_ranks(positive, negative, valid, 4)
    # the second positive of the first query is fifth: below every negative, and beyond the cut
    torch.testing.assert_close(pos[0], torch.tensor([1 / 2, 0]))
    torch.testing.assert_close(neg[0], torch.tensor([1, 1 / 3, 1 / 4]))
    torch.testing.assert_close(pos[1, 0], torch.tensor(1 / 2))
    torch.testing.assert_close(neg[1], torch.tensor([1, 1 / 4, 1 / 3]))


def test_a_pair_beyond_the_cut_has_no_weight():
    positive, negative = torch.tensor([[0.0]]), torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    negative.requires_grad_()
    lambdarank(positive, negative, torch.tensor([[True]]), 2).backward()
    sigmoid = torch.sigmoid(torch.tensor([4.0, 3.0]))
    torch.testing.assert_close(
        negative.grad[0], torch.cat([sigmoid * torch.tensor([1, 0.5]), torch.zeros(2)])
    )


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_gradient_of_centroids_is_equation_19(seed, P, cut):
    rng = np.random.default_rng(seed)
    M, K, sub, N, B, n = 3, 4, 2, 12, 2, 5
    D = M * sub
    rotation = np.linalg.qr(rng.normal(size=(D, D)))[0]
    codes = rng.integers(0, K, (N, M)).astype(np.uint8)
    assume(len(np.unique(codes, axis=0)) == N)  # equal codes would be tied scores
    centroids = rng.normal(size=(M, K, sub))
    index = TrainablePQ(PQ(rotation, centroids, codes))
    queries = rng.normal(size=(B, D))
    rows = np.stack([rng.permutation(N)[: P + n] for _ in range(B)])
    scores = index.scores(torch.from_numpy(queries), torch.from_numpy(rows))
    valid = torch.ones(B, P, dtype=torch.bool)
    lambdarank(scores[:, :P], scores[:, P:], valid, cut).backward()

    expected = np.zeros((M, K, sub))
    for b in range(B):
        q = (rotation @ queries[b]).reshape(M, sub)
        s = [sum(q[i] @ centroids[i, codes[d, i]] for i in range(M)) for d in rows[b]]
        for (p, j), weight in pair_weights(s[:P], s[P:], cut).items():
            alpha = weight / (1 + math.exp(s[p] - s[P + j])) / B
            for i in range(M):
                relevant, other = codes[rows[b, p], i], codes[rows[b, P + j], i]
                if relevant != other:
                    expected[i, relevant] -= alpha * q[i]
                    expected[i, other] += alpha * q[i]
    np.testing.assert_allclose(index.centroids.grad, expected, atol=1e-6)


def test_a_score_of_no_document_weighs_nothing():
    rng = np.random.default_rng(1)
    positive = torch.from_numpy(rng.normal(size=(1, 4))).requires_grad_()
    negative = torch.from_numpy(rng.normal(size=(1, 3)))
    none = torch.full((1, 5), -math.inf, dtype=torch.float64)
    valid = torch.tensor([[True, True, False, True]])
    losses, gradients = [], []
    for scores in (negative, torch.cat([negative, none], 1)):
        losses.append(lambdarank(positive, scores, valid, 5))
        gradients.append(torch.autograd.grad(losses[-1], positive)[0])
    assert torch.equal(losses[0], losses[1]) and torch.equal(*gradients)
    assert torch.isfinite(gradients[1]).all() and losses[0] > 0
