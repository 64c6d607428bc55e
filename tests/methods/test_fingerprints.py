"""A training is known again by each of its method's settings."""

from dataclasses import replace

import pytest

from jointir.basics.settings import Option, described, unfolded
from jointir.methods.known import names, settings
from jointir.methods.shared import Trained
from jointir.train.checkpoint import NEUTRAL, fingerprint

TRAINED = [name for name in names() if issubclass(settings(name), Trained)]


def allowed(kind: type, option: Option) -> list:
    """Return two values that a setting may have."""
    if kind is bool:
        return [False, True]
    if option.among:
        return list(option.among[:2])
    least = option.least or 0
    return [least + 1, least + 2] if kind is int else [least + 0.5, least + 0.25]


@pytest.mark.parametrize("name", TRAINED)
def test_a_checkpoint_is_of_another_training_where_a_setting_differs(name):
    kind = settings(name)
    values = {field: allowed(*said) for field, said in described(kind).items()}
    made = kind(**{field: first for field, (first, _) in values.items()})
    known = fingerprint(unfolded({"settings": made}))
    for field, (_, other) in values.items():
        changed = fingerprint(unfolded({"settings": replace(made, **{field: other})}))
        assert (changed == known) == (field in NEUTRAL), field


def test_every_training_is_one():
    known = {"star", "dual", "adore", "colbert", "tct-colbert", "jpq", "dpq", "distill", "asi"}
    known |= {"train-decoder", "simcse", "doc2query", "genret", "novo", "seal"}
    assert set(TRAINED) == known
