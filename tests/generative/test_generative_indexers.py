"""The contract that the three semantic indexing modules share."""

import numpy as np
import pytest
import torch

from jointir.basics.errors import InputError
from jointir.generative.indexers import INDEXERS, make_indexer
from jointir.generative.warm import distil, residual_codes

D, L, V = 32, 4, 16


def embeddings(n=200, seed=0):
    """Unit vectors around 40 centres."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(40, D, generator=g)
    e = centres[torch.randint(40, (n,), generator=g)] + 0.2 * torch.randn(n, D, generator=g)
    return e / e.norm(dim=1, keepdim=True)


@pytest.fixture(params=list(INDEXERS))
def indexer(request):
    """One module of each kind, started on some embeddings."""
    torch.manual_seed(0)
    module = make_indexer(request.param, D, L, V)
    module.start(embeddings(), seed=1)
    return module


@pytest.mark.parametrize("balance", [False, True])
def test_log_p_holds_L_distributions_over_V_tokens(indexer, balance):
    if balance:
        indexer.balance(embeddings(), seed=1)
    log_p = indexer.log_p(embeddings())
    assert log_p.shape == (200, L, V)
    torch.testing.assert_close(log_p.exp().sum(2), torch.ones(200, L))


def test_ids_are_the_argmax_without_dropout_and_leave_the_mode(indexer):
    indexer.train()
    ids = indexer.ids(embeddings())
    assert indexer.training and ids.min() >= 0 and ids.max() < V
    torch.testing.assert_close(ids, indexer.eval().log_p(embeddings()).argmax(2))


def test_ids_of_new_documents_do_not_depend_on_their_batch(indexer):
    e = embeddings(seed=3)
    together = indexer.ids(e)
    alone = torch.cat([indexer.ids(row[None]) for row in e])
    torch.testing.assert_close(together, alone)


def test_gradients_reach_the_module_and_the_embedding(indexer):
    e = embeddings().requires_grad_()
    log_p = indexer.log_p(e)
    (log_p.exp()[:, :, 0].sum() + indexer.penalty(e, log_p)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in indexer.parameters())
    assert e.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["pq", "rq"])
def test_balance_uses_the_tokens_more_evenly_in_new_documents_too(kind):
    module = make_indexer(kind, D, L, V)
    e, new = embeddings(1600).split(800)
    module.start(e, seed=1)

    def spread(of):
        return torch.stack(
            [torch.bincount(column, minlength=V).float().std() for column in module.ids(of).T]
        )

    before = spread(e), spread(new)
    module.balance(e, seed=1)
    assert spread(e).mean() < 0.5 * before[0].mean()
    assert spread(new).mean() < 0.7 * before[1].mean()


def test_a_network_begins_as_a_hash_that_uses_all_tokens_alike():
    module, e = make_indexer("mlp", D, L, V, unit=4.0), 2 * embeddings(1600)

    def perplexities():
        shares = [torch.bincount(column, minlength=V) / len(e) for column in module.ids(e).T]
        return torch.stack([torch.special.entr(share).sum().exp() for share in shares])

    before, fresh = perplexities(), module.log_p(e).exp()
    module.start(e, seed=1)
    assert module.training and fresh.amax(2).mean() < 2 / V
    module.eval()
    assert module.log_p(e).exp().amax(2).mean() > 0.4
    assert (perplexities() > 0.85 * V).all() and before.mean() < 0.75 * V


def test_a_network_needs_no_balance():
    module, e = make_indexer("mlp", D, L, V), embeddings()
    before = module.ids(e)
    module.balance(e, seed=1)
    assert torch.equal(module.ids(e), before)


@pytest.mark.parametrize("kind", ["pq", "rq"])
def test_codebooks_start_as_those_of_k_means(kind):
    """Their error is far below that of centroids drawn from the data."""
    module, e = make_indexer(kind, D, L, V), embeddings(400)
    module.start(e, seed=1)
    x = e[:, : D // L] if kind == "pq" else e
    own = torch.cdist(x, module.centroids[0]).square().amin(1).mean().item()
    drawn = [torch.cdist(x, x[torch.randperm(400)[:V]]).square().amin(1).mean() for _ in range(20)]
    assert own < 0.95 * min(drawn).item()
    nearest = torch.cdist(x, module.centroids[0]).argmin(1)
    means = torch.stack([x[nearest == j].mean(0) for j in range(V)])
    assert (means - module.centroids[0]).norm() < 0.05 * means.norm()  # a fixed point, nearly


@pytest.mark.parametrize("kind", ["pq", "rq"])
def test_the_penalty_is_the_quantization_error(kind):
    module = make_indexer(kind, D, L, V)
    e = embeddings(20)
    module.start(embeddings(), seed=1)
    log_p = module.log_p(e)
    expected = []
    for row, ids in zip(e, log_p.argmax(2), strict=True):
        parts = [module.centroids[i, j] for i, j in enumerate(ids)]
        quantized = torch.cat(parts) if kind == "pq" else sum(parts)
        expected.append(((row - quantized) ** 2).sum().item())
    assert module.penalty(e, log_p).item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_residual_positions_quantize_what_is_left():
    module = make_indexer("rq", D, L, V)
    module.start(embeddings(), seed=1)
    for row, ids in zip(embeddings(10), module.ids(embeddings(10)), strict=True):
        rest = row
        for i, chosen in enumerate(ids):
            assert ((rest - module.centroids[i]) ** 2).sum(1).argmin() == chosen
            rest = rest - module.centroids[i, chosen]


def test_a_network_learns_residual_codes():
    e = embeddings(600)
    module = make_indexer("mlp", D, L, V)
    codes, _ = residual_codes(e.numpy(), L, V, seed=1)
    distil(module, e, seed=1)
    agree = (module.ids(e).numpy() == codes).mean(0)
    assert agree[0] > 0.9 and agree.mean() > 0.6


def test_residual_quantization_takes_over_the_codebooks():
    e = embeddings(600)
    module = make_indexer("rq", D, L, V)
    codes, books = residual_codes(e.numpy(), L, V, seed=1)
    distil(module, e, seed=1)
    np.testing.assert_allclose(module.centroids.numpy(force=True), books)
    assert (module.ids(e).numpy() == codes).mean() > 0.99


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="unknown"):
        make_indexer("tree", D, L, V)
    with pytest.raises(InputError, match="does not divide"):
        make_indexer("pq", D, 5, V)
    with pytest.raises(InputError, match="power of two"):
        residual_codes(embeddings().numpy(), L, 12, seed=1)
    with pytest.raises(InputError, match="not for product quantization"):
        distil(make_indexer("pq", D, L, V), embeddings(), seed=1)
