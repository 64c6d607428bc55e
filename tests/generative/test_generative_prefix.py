"""What the prefix decoder knows of identifiers, and what it does with new ones."""

import pytest
import torch

from jointir.errors import InputError
from jointir.generative.decoder import make_decoder
from jointir.generative.indexers import make_indexer
from jointir.generative.prefix import PrefixDecoder, fitted_books

D, L, V = 8, 3, 5
IDS = torch.tensor([[1, 3, 0], [1, 3, 2], [0, 0, 4], [1, 0, 0]])


def decoder():
    torch.manual_seed(0)
    return PrefixDecoder(D, L, V, width=6)


def test_every_prefix_gets_a_vector_of_its_own():
    found = decoder()
    found.know(IDS)
    assert [len(own) for own in found.own] == [1 + 1, 2 + 1, 3 + 1]
    for row, own in enumerate(found.own[2][:3]):
        own.data.fill_(row + 1.0)
    vectors = found._vectors(torch.tensor([[0, 0], [1, 0], [1, 3], [4, 4]]))
    # sorted by prefix; what is new has none of its own
    torch.testing.assert_close(vectors[:, 0].detach(), torch.tensor([1.0, 2.0, 3.0, 0.0]))


def test_a_new_prefix_falls_back_on_its_tokens():
    found = decoder()
    found.know(IDS)
    found.chosen.data.normal_()
    expected = found.chosen[0][4] + found.chosen[1][2]
    torch.testing.assert_close(found._vectors(torch.tensor([[4, 2]]))[0], expected)


def test_what_is_new_is_not_learned():
    found = decoder()
    found.know(IDS)
    e = torch.randn(2, D)
    found(e, torch.tensor([[4, 4, 4], [1, 3, 0]])).square().sum().backward()
    assert found.own[2].grad[-1].abs().sum() == 0  # [4, 4] is new
    assert found.own[2].grad[2].abs().sum() > 0  # [1, 3] is not


def test_a_loaded_decoder_is_the_saved_one():
    saved, loaded = decoder(), decoder()
    saved.begin(IDS, torch.randn(4, D), None)
    for own in saved.own:
        own.data.normal_()
    loaded.load_state_dict(saved.state_dict())
    e, ids = torch.randn(3, D), torch.tensor([[1, 3, 2], [0, 0, 4], [4, 4, 4]])
    assert torch.equal(loaded(e, ids), saved(e, ids))


def test_it_begins_as_inner_products_with_codebooks():
    """With networks that give 0, the first token's logits are SHARP sqrt(D) <e, its vector>."""
    found, books = decoder(), torch.randn(L, V, D)
    for network in found.networks:
        network[2].weight.data.zero_()
        network[2].bias.data.zero_()
    found.start(books)
    e = torch.randn(4, D)
    logits = 1.5 * D**0.5 * e @ books[0].T
    torch.testing.assert_close(found(e, IDS)[:, 0], logits.log_softmax(1))


def test_it_begins_as_the_indexing_module_whatever_the_prefix():
    indexer, docs = make_indexer("mlp", D, L, V, unit=4.0).eval(), 2 * torch.randn(4, D)
    indexer.start(docs, seed=1)
    found = PrefixDecoder(D, L, V, width=D + 3, unit=4.0)
    found.begin(IDS, docs, indexer)
    torch.testing.assert_close(found(docs, IDS), indexer.log_p(docs))
    torch.testing.assert_close(found(docs, 4 - IDS), indexer.log_p(docs))
    with pytest.raises(InputError, match=r"asi\.width: 6 units for embeddings of 8"):
        decoder().begin(IDS, docs, indexer)


def test_fitted_codebooks_are_means_of_what_is_left():
    docs = torch.randn(4, D)
    books = fitted_books(IDS, docs, V)
    rest = docs.clone()
    for i in range(L):
        for v in range(V):
            of = [row for row in range(4) if IDS[row, i] == v]
            mean = torch.stack([rest[row] for row in of]).mean(0) if of else torch.zeros(D)
            torch.testing.assert_close(books[i, v], mean)
        rest = torch.stack([rest[row] - books[i, IDS[row, i]] for row in range(4)])


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match=r"asi\.decoder: 'gru' is unknown"):
        make_decoder("gru", D, L, V, 1, 8)
