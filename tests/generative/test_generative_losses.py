"""Every loss of ASI++ against a loop that reads like its equation; Sinkhorn too."""

import numpy as np
import pytest
import torch

from jointir.generative import losses
from jointir.generative.sinkhorn import potentials, prices

A, B, L, V, D = 3, 5, 2, 4, 6


@pytest.fixture
def drawn():
    """Distributions, identifiers, embeddings and a mask, all random."""
    g = torch.Generator().manual_seed(0)
    log_a = torch.randn(A, L, V, generator=g).log_softmax(2)
    log_b = torch.randn(B, L, V, generator=g).log_softmax(2)
    e_a, e_b = torch.randn(A, D, generator=g), torch.randn(B, D, generator=g)
    mask = torch.rand(A, B, generator=g) > 0.3
    assert mask.any() and not mask.all()
    return log_a, log_b, log_b.argmax(2), e_a, e_b, mask


def apart(log_a, log_b):
    """D(id_a, id_b) of section 2.1, pair by pair."""
    p, q = log_a.exp(), log_b.exp()
    return torch.tensor(
        [
            [sum(((p[a, i] - q[b, i]) ** 2).sum() for i in range(L)) for b in range(B)]
            for a in range(A)
        ]
    )


def test_distances_are_those_of_the_paper(drawn):
    log_a, log_b, *_ = drawn
    found = losses.distances(log_a.exp(), log_b.exp())
    torch.testing.assert_close(found, apart(log_a, log_b))
    one, other = torch.eye(V)[torch.tensor([[0, 1]])], torch.eye(V)[torch.tensor([[2, 3]])]
    assert losses.distances(one, other).item() == 2 * L  # D_max


def test_contrastive_is_eq_1_over_the_violating_triples(drawn):
    log_a, log_b, *_, mask = drawn
    far = apart(log_a, log_b)
    positive, alpha = far[:, 0], 0.2
    margins = [
        (positive[a] - far[a, b] + alpha).item() for a in range(A) for b in range(B) if mask[a, b]
    ]
    expected = np.mean([m for m in margins if m > 0])
    assert any(m < 0 for m in margins)
    assert losses.contrastive(positive, far, mask, alpha).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_contrastive_without_violations_is_zero():
    positive, negatives = torch.zeros(2), torch.full((2, 3), 9.0)
    assert losses.contrastive(positive, negatives, torch.ones(2, 3, dtype=torch.bool), 3) == 0


def test_reverse_cross_entropy_punishes_whole_collisions_only(drawn):
    log_a, _, ids, *_, mask = drawn
    p = log_a.exp()
    expected = 0.0
    for a in range(A):
        for b in range(B):
            joint = np.prod([p[a, i, ids[b, i]].item() for i in range(L)])
            expected += mask[a, b].item() * -np.log(1 - losses.NEVER * joint) / A
    found = losses.sequence_reverse_cross_entropy(log_a, ids, mask).item()
    assert found == pytest.approx(expected, rel=1e-5)
    sharp = torch.full((1, L, V), -30.0)
    sharp[0, 0, 1] = sharp[0, 1, 1] = 0
    everyone = torch.ones(1, 1, dtype=torch.bool)
    partial = losses.sequence_reverse_cross_entropy(sharp, torch.tensor([[1, 0]]), everyone)
    whole = losses.sequence_reverse_cross_entropy(sharp, torch.tensor([[1, 1]]), everyone)
    assert partial < 1e-6 and whole > 9


def test_generation_is_a_negative_log_likelihood(drawn):
    _, log_b, ids, *_ = drawn
    expected = -np.mean([sum(log_b[b, i, ids[b, i]].item() for i in range(L)) for b in range(B)])
    assert losses.generation(log_b, ids).item() == pytest.approx(expected, rel=1e-5)


def test_density_is_eq_5(drawn):
    log_a, log_b, ids, *_, mask = drawn
    far, p = apart(log_a, log_b), log_a.exp()
    expected = []
    for a in range(A):
        near = [b for b in range(B) if mask[a, b]]
        weight = np.mean([far[a, b].item() / (2 * L) for b in near])
        reverse = sum(
            -np.log(1 - losses.NEVER * p[a, i, ids[b, i]].item()) for b in near for i in range(L)
        )
        expected.append(weight * reverse)
    found = losses.density(log_a, ids, far, mask).item()
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_info_nce_is_the_first_term_of_eq_6(drawn):
    *_, e_a, e_b, mask = drawn
    scores, own = e_a @ e_b.T, torch.tensor([0, 3, 1])
    mask[torch.arange(A), own] = False
    expected = []
    for a in range(A):
        rivals = [b for b in range(B) if mask[a, b]] + [own[a].item()]
        total = sum(np.exp(scores[a, b].item()) for b in rivals)
        expected.append(-np.log(np.exp(scores[a, own[a]].item()) / total))
    assert losses.info_nce(scores, own, mask).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_inverse_distance_is_the_density_term_of_eq_6(drawn):
    *_, e_a, e_b, mask = drawn
    pairs = [(a, b) for a in range(A) for b in range(B) if mask[a, b]]
    expected = np.mean([1 / ((e_a[a] - e_b[b]) ** 2).sum().item() for a, b in pairs])
    assert losses.inverse_distance(e_a, e_b, mask).item() == pytest.approx(expected, rel=1e-4)


def test_inverse_distance_of_duplicates_is_finite():
    e = torch.ones(2, D, requires_grad=True)
    found = losses.inverse_distance(e, e, ~torch.eye(2, dtype=torch.bool))
    found.backward()
    assert found.item() == pytest.approx(100) and torch.isfinite(e.grad).all()


def test_information_is_the_divergence_of_two_gaussians(drawn):
    *_, e_a, e_b, _ = drawn
    divergences = []
    covariance = torch.diag(e_b.var(0))
    prior = torch.distributions.MultivariateNormal(e_b.mean(0), covariance)
    for a in range(A):
        own = torch.distributions.MultivariateNormal(e_a[a], covariance)
        divergences.append(torch.distributions.kl_divergence(own, prior).item())
    assert losses.information(e_a, e_b).item() == pytest.approx(np.mean(divergences), rel=1e-4)


@pytest.mark.parametrize("s", [0.1, 1, 10])
def test_information_pulls_alike_for_every_fixed_variance(drawn, s):
    *_, e_a, e_b, _ = drawn
    ours, other = e_a.clone().requires_grad_(), e_a.clone().requires_grad_()
    losses.information(ours, e_b).backward()
    prior = torch.distributions.Normal(e_b.mean(0), e_b.std(0))
    own = torch.distributions.Normal(other, s)
    torch.distributions.kl_divergence(own, prior).sum(1).mean().backward()
    torch.testing.assert_close(ours.grad, other.grad)


def reference_plan(cost, epsilon, iterations):
    """Sinkhorn as in the book: scale rows and columns of exp(-cost / epsilon) in turn."""
    K = np.exp(-cost / epsilon)
    u, v = np.ones(len(K)), np.ones(K.shape[1])
    for _ in range(iterations):
        u = 1 / len(K) / (K @ v)
        v = 1 / K.shape[1] / (K.T @ u)
    return u[:, None] * K * v


def plan_of(cost, g, epsilon):
    """Return each row's assignment, rows summing to 1."""
    return ((g - cost) / epsilon).softmax(1)


def test_sinkhorn_agrees_with_the_textbook_in_float64():
    cost = np.random.default_rng(0).random((12, 4))
    plan = reference_plan(cost, 0.1, 50)
    g = potentials(torch.from_numpy(cost), 0.1, 50)
    found = plan_of(torch.from_numpy(cost), g, 0.1).numpy()
    np.testing.assert_allclose(found, plan / plan.sum(1, keepdims=True), rtol=1e-9)


def test_sinkhorn_uses_every_column_alike_where_exp_underflows():
    g = torch.Generator().manual_seed(0)
    x, c = torch.randn(64, 8, generator=g), torch.randn(4, 8, generator=g)
    x, c = x / x.norm(dim=1, keepdim=True), c / c.norm(dim=1, keepdim=True)
    cost = torch.cdist(x, c).square()
    assert (torch.exp(-cost / 0.003) == 0).float().mean() > 0.9  # float32 sees nothing
    p = plan_of(cost, potentials(cost, 0.003, 2000), 0.003)
    torch.testing.assert_close(p.sum(1), torch.ones(64))
    torch.testing.assert_close(p.sum(0), torch.full((4,), 16.0), atol=0.2, rtol=0)
    unbalanced = torch.bincount(cost.argmin(1), minlength=4).float()
    assert (unbalanced - 16).abs().max() > 2  # else the balance would be no work


@pytest.mark.parametrize(("factor", "shift"), [(1, 0), (100, 0), (1, 7)])
def test_prices_do_not_know_how_large_distances_are(factor, shift):
    cost = torch.rand(64, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = (cost - prices(cost, 0.003, 200)).argmin(1)
    assert torch.bincount(chosen, minlength=4).tolist() == pytest.approx([16] * 4, abs=1)
    other = factor * cost + shift
    assert torch.equal((other - prices(other, 0.003, 200)).argmin(1), chosen)


def test_prices_are_constants():
    assert not prices(torch.rand(8, 3, requires_grad=True), 0.1, 5).requires_grad


def test_cross_entropy_is_generation_where_one_token_is_meant():
    log_p = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    ids = torch.tensor([[0, 1, 2], [6, 5, 4], [3, 3, 3], [1, 0, 6], [2, 2, 2]])
    single = torch.nn.functional.one_hot(ids, 7).float()
    torch.testing.assert_close(losses.cross_entropy(log_p, single), losses.generation(log_p, ids))
