"""What the prefix decoder knows of identifiers, and what it does with new ones."""

import pytest
import torch

from jointir.basics.errors import InputError
from jointir.generative.decoder import make_decoder
from jointir.generative.prefix import GAP, PrefixDecoder, fitted_books
from jointir.generative.prototypes import Prototypes

D, L, V, K = 8, 3, 5, 2
IDS = torch.tensor([[1, 3, 0], [1, 3, 2], [0, 0, 4], [1, 0, 0], [1, 3, 2]])


def decoder(ids=None, scale=10.0, seed=0):
    """Return a fresh decoder, told of identifiers and documents where there are any."""
    torch.manual_seed(seed)
    found, docs = PrefixDecoder(D, L, V, width=6, K=K, unit=4.0), 2 * torch.randn(5, D)
    if ids is not None:
        found.begin(ids, docs, scale)
    return found, docs


def test_it_begins_as_the_posterior_of_the_means_of_places():
    found, docs = decoder(IDS)
    e = torch.randn(4, D)
    for prefix in ([1], [0], [1, 3], [1, 0]):
        i = len(prefix)
        inside = [row for row in range(5) if IDS[row, :i].tolist() == prefix]
        expected = {}
        for token in sorted({IDS[row, i].item() for row in inside}):
            own = [row for row in inside if IDS[row, i] == token]
            mean = docs[own].mean(0)
            expected[token] = len(own) * (10.0 * e @ mean / 4.0).exp()
        log_p = found.log_p(e, torch.tensor([prefix] * 4))[:, 0]
        tokens = list(expected)
        got = log_p[:, tokens].log_softmax(1)
        torch.testing.assert_close(
            got, torch.stack(list(expected.values()), 1).log().log_softmax(1)
        )


def test_other_tokens_lose_the_gap_after_a_known_prefix_alone():
    found, _ = decoder(IDS)
    with torch.no_grad():
        e = torch.randn(1, D)
        known, new = torch.tensor([[1, 3]]), torch.tensor([[4, 4]])
        shared = e * (D / 4.0) ** 0.5 @ found.tokens[2].T
        torch.testing.assert_close(found._logits(e, new), shared)
        logits = found._logits(e, known)
        torch.testing.assert_close(logits[:, [1, 3, 4]], shared[:, [1, 3, 4]] - GAP)
        assert (logits[:, [0, 2]] != shared[:, [0, 2]]).all()


def test_a_document_alone_is_found_by_its_own_embedding():
    ids = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 2, 2], [4, 4, 4], [3, 0, 0]])
    found, _ = decoder()
    docs = torch.nn.functional.normalize(torch.randn(5, D), dim=1)
    found.begin(ids, docs, 50.0)
    for i in range(1, L):
        log_p = found.log_p(docs, ids[:, :i])[:, 0]
        assert log_p.argmax(1).tolist() == ids[:, i].tolist()


def test_gradients_reach_the_places_that_were_asked_for_alone():
    found, docs = decoder(IDS)
    found(docs[:1], torch.tensor([[1, 3, 0]])).square().sum().backward()
    # places of position 3, sorted: [0, 0, 4], [1, 0, 0], [1, 3, 0], [1, 3, 2]
    moved = found.own[2].grad.abs().sum(1) > 0
    assert moved.tolist() == [False, False, True, True]
    assert found.first.vectors.grad.abs().sum() > 0 and found.gap.grad[2] != 0


def test_parts_give_the_same(monkeypatch):
    found, docs = decoder(IDS)
    whole = found(docs, IDS)
    monkeypatch.setattr("jointir.generative.prefix.PART", 2)
    torch.testing.assert_close(found(docs, IDS), whole)


def test_a_loaded_decoder_is_the_saved_one():
    (saved, docs), (loaded, _) = decoder(IDS), decoder(seed=1)
    loaded.load_state_dict(saved.state_dict())
    ids = torch.tensor([[1, 3, 2], [0, 0, 4], [4, 4, 4]])
    assert torch.equal(loaded(docs[:3], ids), saved(docs[:3], ids))


def test_what_it_learned_before_it_begins_does_not_count():
    found, docs = decoder()
    for p in found.parameters():
        p.data += torch.randn_like(p)
    found.begin(IDS, docs, 10.0)
    fresh, _ = decoder(IDS)
    new = torch.tensor([[4, 4, 4]] * 5)
    for ids in (IDS, new):
        torch.testing.assert_close(found(docs, ids), fresh(docs, ids))


def test_fitted_codebooks_are_means_of_what_is_left():
    docs = torch.randn(5, D)
    books = fitted_books(IDS, docs, V)
    rest = docs.clone()
    for i in range(L):
        for v in range(V):
            of = [row for row in range(5) if IDS[row, i] == v]
            mean = torch.stack([rest[row] for row in of]).mean(0) if of else torch.zeros(D)
            torch.testing.assert_close(books[i, v], mean)
        rest = torch.stack([rest[row] - books[i, IDS[row, i]] for row in range(5)])


def test_prototypes_are_the_places_of_a_token():
    """Two places of 3 and 1 documents, one document, and none."""
    x = torch.tensor([[9.0, 0], [9, 0], [9, 0], [0, 9], [5, 5]])
    found = Prototypes(2, 3, 2)
    found.begin(torch.tensor([0, 0, 0, 0, 2]), x)
    state = torch.tensor([[1.0, 0.5]])
    scores = [3 * torch.tensor(9.0).exp() + torch.tensor(4.5).exp(), torch.tensor(7.5).exp()]
    logits = found(state)[0]
    torch.testing.assert_close(logits[[0, 2]], torch.stack(scores).log())
    assert logits[1] < -15  # nothing begins with it


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match=r"asi\.decoder: 'gru' is unknown"):
        make_decoder("gru", D, L, V, 1, 8, K)
