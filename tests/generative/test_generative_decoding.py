"""Decoder, beam search and prefix tree, against exhaustive scoring of a small id space."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from jointir.generative.beam import beam_search
from jointir.generative.decoder import make_decoder
from jointir.generative.tree import PrefixTree
from jointir.methods.asi import DECODERS

D, L, V, B = 64, 3, 5, 4


# two are of one position: test_generative_linear.py and test_generative_novo.py
@pytest.fixture(params=[kind for kind in DECODERS if kind not in ("linear", "sets")])
def scene(request):
    """A decoder of random weights and some embeddings."""
    torch.manual_seed(0)
    decoder = make_decoder(request.param, D, L, V, layers=2, width=32, K=2).eval()
    ids = torch.tensor([[1, 3, 0], [1, 3, 2], [0, 0, 4]])
    decoder.begin(ids, normalize(torch.randn(3, D)), 5.0)
    for p in decoder.parameters():
        p.data += 0.05 * torch.randn_like(p)  # so that positions and queries differ
    return decoder, normalize(torch.randn(B, D))


def exhaustive(decoder, e):
    """Return every identifier and its log-probability for every query, by teacher forcing."""
    ids = torch.tensor(list(itertools.product(range(V), repeat=L)))
    scores = []
    for row in e:
        log_p = decoder(row.expand(len(ids), -1), ids)
        scores.append(log_p.gather(2, ids[..., None]).sum((1, 2)))
    return ids, torch.stack(scores).detach()


def test_probabilities_of_all_identifiers_sum_to_one(scene):
    _, scores = exhaustive(*scene)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(B))


def test_probabilities_are_normalized_in_float32_under_autocast(scene):
    decoder, e = scene
    ids = torch.tensor([[1, 2, 0], [4, 0, 3], [0, 0, 0], [2, 3, 1]])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = decoder(e, ids)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.exp().sum(2), torch.ones(B, L))
    error = (rounded - decoder(e, ids)).abs().max()
    assert 0 < error < 0.02  # of log-probabilities down to -2.5


def test_positions_see_only_what_is_before_them(scene):
    decoder, e = scene
    ids = torch.zeros(B, L, dtype=torch.long)
    changed = ids.clone()
    changed[:, 1] = 3
    a, b = decoder(e, ids), decoder(e, changed)
    torch.testing.assert_close(a[:, :2], b[:, :2])
    assert (a[:, 2] - b[:, 2]).abs().max() > 1e-3


def test_the_embedding_matters_to_every_position(scene):
    decoder, e = scene
    ids = torch.zeros(1, L, dtype=torch.long)
    assert ((decoder(e[:1], ids) - decoder(e[1:2], ids)).abs().amax(2) > 1e-3).all()


def test_a_wide_beam_is_exhaustive(scene):
    all_ids, scores = exhaustive(*scene)
    found, found_scores = beam_search(*scene, beam=V**L)
    expected, order = scores.sort(1, descending=True)
    torch.testing.assert_close(found_scores, expected)
    torch.testing.assert_close(found[:, :5], all_ids[order[:, :5]])


def by_hand(decoder, e, beam, existing=None):
    """Beam search of one query, prefix by prefix."""
    beams = [((), 0.0)]
    for t in range(L):
        grown = []
        for prefix, score in beams:
            ids = torch.tensor([prefix], dtype=torch.long).view(1, t)
            log_p = decoder.log_p(e[None], ids)[0, -1]
            for v in range(V):
                longer = (*prefix, v)
                if existing is None or any(e[: t + 1] == longer for e in existing):
                    grown.append((longer, score + log_p[v].item()))
        beams = sorted(grown, key=lambda x: -x[1])[:beam]
    return beams


@pytest.mark.parametrize("beam", [1, 3, 10])
@pytest.mark.parametrize("constrained", [False, True])
def test_beam_search_equals_one_by_hand(scene, beam, constrained):
    decoder, e = scene
    rng = np.random.default_rng(0)
    existing = [tuple(map(int, row)) for row in rng.integers(0, V, (12, L))]
    tree = PrefixTree(np.array(existing), V) if constrained else None
    ids, scores = beam_search(decoder, e, beam, tree)
    for b in range(B):
        expected = by_hand(decoder, e[b], beam, existing if constrained else None)
        real = torch.isfinite(scores[b])
        assert [tuple(i.tolist()) for i in ids[b][real]] == [i for i, _ in expected]
        np.testing.assert_allclose(scores[b][real], [s for _, s in expected], rtol=1e-4)


def test_the_tree_allows_what_exists():
    ids = np.random.default_rng(1).integers(0, V, (15, L))
    tree = PrefixTree(ids, V)
    for t in range(L):
        for prefix in itertools.product(range(V), repeat=t):
            found = tree.allowed(torch.tensor([prefix], dtype=torch.long).view(1, t))[0]
            follow = {row[t] for row in ids.tolist() if tuple(row[:t]) == prefix}
            assert set(np.flatnonzero(found.numpy())) == follow


def test_the_tree_refuses_identifiers_that_do_not_fit():
    with pytest.raises(ValueError, match="63 bits"):
        PrefixTree(np.zeros((1, 8), int), 256)
