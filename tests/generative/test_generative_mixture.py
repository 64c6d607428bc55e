"""What a batch is made of, and two passes that are to agree."""

import numpy as np
import pytest
import torch

from jointir.basics.errors import InputError
from jointir.generative import losses
from jointir.generative.mixture import Mixture, mixture, passes
from jointir.methods.train_decoder import Settings

VALUES = {"steps": 10, "batch": 12, "lr": 1e-3, "warmup": 0, "seed": 1, "checkpoint_minutes": 1}
VALUES |= {"queries": 5, "sentences": 3, "moved": 0.7, "nearby": 0.0, "scale": 20.0}
VALUES |= {"vectors": "embeddings", "holdout": 0.0}
VALUES |= dict.fromkeys(("general", "search", "dropout", "consistency"), 0.0)


def settings(**changed):
    return Settings(**VALUES | changed)


def test_without_stages_all_batches_are_alike():
    assert {mixture(settings(), step) for step in range(10)} == {Mixture(5, 4, 3, 0.7)}


def test_stages_come_one_after_the_other():
    found = [mixture(settings(general=0.3, search=0.5), step) for step in range(10)]
    assert found[:3] == [Mixture(0, 9, 3, 0.0)] * 3
    assert found[3:8] == [Mixture(0, 12, 0, 0.7)] * 5
    assert found[8:] == [Mixture(12, 0, 0)] * 2
    assert [sum(of[:3]) for of in found] == [12] * 10


def test_a_stage_may_be_all():
    found = {mixture(settings(general=1.0), step) for step in range(10)}
    assert found == {Mixture(0, 9, 3, 0.0)}


def test_passes_drop_a_share_and_scale_the_rest():
    e = torch.randn(400, 32)
    assert passes(e, settings(), 3)[0] is e
    (one,) = passes(e, settings(dropout=0.25), 3)
    kept = one != 0
    torch.testing.assert_close(one[kept], e[kept] / 0.75)
    assert abs(kept.float().mean() - 0.75) < 0.015
    first, second = passes(e, settings(dropout=0.25, consistency=1.0), 3)
    assert not torch.equal(first, second)
    assert torch.equal(first, passes(e, settings(dropout=0.25, consistency=1.0), 3)[0])
    assert not torch.equal(first, passes(e, settings(dropout=0.25, consistency=1.0), 4)[0])


def test_consistency_is_half_of_both_divergences():
    generator = torch.Generator().manual_seed(0)
    log_p, log_q = (torch.randn(3, 2, 5, generator=generator).log_softmax(2) for _ in range(2))
    total = 0.0
    for b in range(3):
        for i in range(2):
            p, q = log_p[b, i].exp().numpy(), log_q[b, i].exp().numpy()
            total += 0.5 * (p * np.log(p / q)).sum() + 0.5 * (q * np.log(q / p)).sum()
    assert losses.consistency(log_p, log_q).item() == pytest.approx(total / 3, rel=1e-5)
    assert losses.consistency(log_p, log_p).item() == 0


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"queries": -1}, "--queries: -1 is not at least 0"),
        ({"queries": 10}, "--queries: 10 and 3 sentences of a batch of 12"),
        ({"moved": 1.5}, "--moved: 1.5 is not at most 1"),
        ({"vectors": "zeros"}, "--vectors: 'zeros' is unknown"),
        ({"general": -0.1}, "--general: -0.1 is not at least 0"),
        ({"search": 2}, "--search: 2 is not at most 1"),
        ({"general": 0.6, "search": 0.6}, "--search: 0.6 after 0.6 of the steps"),
        ({"dropout": 1.0}, "--dropout: 1.0 is not below 1"),
        ({"dropout": 0.1, "consistency": -1}, "--consistency: -1 is not at least 0"),
        ({"consistency": 0.2}, "--consistency: 0.2 of two passes that are the same"),
    ],
)
def test_settings_that_do_not_fit_are_named(changed, line):
    with pytest.raises(InputError) as error:
        settings(**changed)
    assert str(error.value).startswith(line)
