"""The distributions that a decoder learns along a path, against a loop over documents."""

import torch

from jointir.generative.targets import soft_targets

B, k, L, V = 6, 9, 3, 4


def drawn():
    """Return probabilities, identifiers that share prefixes, and uniform numbers."""
    g = torch.Generator().manual_seed(0)
    p = torch.rand(B, k, generator=g).softmax(1)
    return p, torch.randint(2, (B, k, L), generator=g), torch.rand(B, 1, generator=g)


def test_each_target_is_that_of_the_documents_on_the_path():
    p, ids, uniform = drawn()
    path, soft = soft_targets(p, ids, uniform, V)
    for b in range(B):
        for i in range(L):
            expected = torch.zeros(V)
            for j in range(k):
                if ids[b, j, :i].tolist() == path[b, :i].tolist():
                    expected[ids[b, j, i]] += p[b, j]
            torch.testing.assert_close(soft[b, i], expected / expected.sum())


def test_paths_are_drawn_by_probability():
    p, ids = drawn()[0][:1], torch.arange(k).view(1, k, 1)
    uniform = torch.linspace(0, 0.99999, 4000)[:, None]
    path, _ = soft_targets(p.expand(4000, -1), ids.expand(4000, -1, -1), uniform, k)
    share = torch.bincount(path[:, 0], minlength=k) / 4000
    torch.testing.assert_close(share, p[0], atol=1e-3, rtol=0)


def test_one_document_alone_is_its_identifier():
    _, ids, uniform = drawn()
    path, soft = soft_targets(torch.ones(B, 1), ids[:, :1], uniform, V)
    assert torch.equal(path, ids[:, 0])
    assert torch.equal(soft.argmax(2), path) and torch.equal(soft.sum(2), soft.amax(2))
