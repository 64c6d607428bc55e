"""The bank of documents: who shares an identifier, and who stands beside a batch."""

from types import SimpleNamespace

import numpy as np
import torch

from jointir.generative.bank import DocumentBank


def bank_of(ids):
    """Return a bank whose indexer gives exactly these identifiers."""
    bank = DocumentBank(np.zeros((len(ids), 4)))
    bank.refresh(SimpleNamespace(ids=lambda e: torch.tensor(ids)))
    return bank


def test_the_bank_counts_ids_and_finds_who_collides():
    bank = bank_of([[1, 1], [2, 2], [1, 1], [3, 3], [1, 1]])
    rows = torch.tensor([0, 1, 4])
    found = {tuple(bank.colliding(rows, np.random.default_rng(s)).tolist()) for s in range(40)}
    assert {x for pair in found for x in pair} == {0, 2, 4}  # 1 and 3 are alone
    assert bank.refresh(SimpleNamespace(ids=lambda e: torch.arange(5)[:, None])) == 5
    assert len(bank.colliding(rows, np.random.default_rng(0))) == 0


def test_neighbours_are_distinct_others_the_colliding_first():
    ids = [[i // 2] for i in range(40)]  # 2i and 2i + 1 collide
    rows = torch.tensor([0, 10, 20])
    for seed in range(20):
        found = bank_of(ids).neighbours(rows, 8, np.random.default_rng(seed)).tolist()
        assert len(found) == len(set(found)) == 8
        assert not set(found) & {0, 10, 20}
        colliding = set(bank_of(ids).colliding(rows, np.random.default_rng(seed)).tolist())
        assert set(found[: len(colliding)]) == colliding <= {1, 11, 21}
