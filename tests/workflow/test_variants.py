"""Settings of ASI that do not fit each other are refused, by their name in the entry."""

import sys
from functools import cache

import pytest

from conftest import ROOT, all_params, merge

sys.path.insert(0, str(ROOT))
from workflow.scripts.params import prepare
from workflow.scripts.systems import Systems
from workflow.scripts.variants import batched, mixed, shaped, taught

from jointir.basics.errors import InputError


@cache
def systems() -> Systems:
    """Return the systems of the default params."""
    return prepare(all_params(ROOT), ROOT / "workflow/schemas/params.schema.yaml")


def entry(name: str, **changed: object) -> dict:
    """Return the settings of an entry with some that are changed."""
    return merge(systems()[name], changed)


@pytest.mark.parametrize("check", [batched, shaped, mixed])
@pytest.mark.parametrize(
    "name", ["asi++", "asi", "nci", "ultron-url", "ultron-atomic", "dsi-naive"]
)
def test_the_entries_of_the_default_fit(name, check):
    check(entry(name))


@pytest.mark.parametrize("name", ["genret", "novo"])
def test_the_entries_that_are_taught_fit(name):
    taught(entry(name))
    shaped(entry(name))


CASES = {
    ("asi++", batched, "fresh"): ({"fresh": 200}, "200 of a batch of 256"),
    ("nci", mixed, "train_decoder.queries"): (
        {"train_decoder": {"queries": 250}},
        "250 and 64 sentences of a batch of 256",
    ),
    ("ultron-atomic", mixed, "train_decoder.search"): (
        {"train_decoder": {"search": 0.7}},
        "0.7 after 0.4 of the steps",
    ),
    ("asi", mixed, "train_decoder.consistency"): (
        {"train_decoder": {"consistency": 0.1}},
        "0.1 of two passes that are the same",
    ),
    ("asi++", shaped, "vocabulary"): (
        {"vocabulary": 0},
        "0, and nothing else says how many there are. Set 2 at least",
    ),
    ("ultron-url", shaped, "vocabulary"): (
        {"vocabulary": 256},
        "256, and `given: name` has as many as the documents need. Set 0",
    ),
    ("nci", shaped, "decoder"): (
        {"decoder": "linear"},
        "linear writes one token, and these identifiers have more",
    ),
    ("asi", shaped, "indexer"): ({"indexer": "none"}, "none, and no identifiers are `given`"),
    ("ultron-pq", shaped, "clusters"): (
        {"clusters": 10},
        "is named, and these identifiers are no tree",
    ),
    ("genret", shaped, "genret"): (
        {"given": "residual"},
        "is named, and these identifiers are not learned by it",
    ),
    ("ultron-pq", taught, "given"): ({"given": "genret"}, "genret, and no `genret` says how"),
    ("novo", shaped, "decoder"): (
        {"decoder": "prefix"},
        "prefix, and the decoder of sets is for `given: novo` alone",
    ),
    ("genret", taught, "length"): (
        {"length": 1},
        "1 leaves none to learn: the last position numbers documents",
    ),
    ("genret", taught, "genret.steps"): (
        {"genret": {"refresh": 101}},
        "400 for 2 positions that change their tokens each 101. Set 404 at least",
    ),
}


@pytest.mark.parametrize(("name", "check", "where"), CASES)
def test_what_does_not_fit_is_named_as_it_stands_in_the_entry(name, check, where):
    changed, found = CASES[name, check, where]
    with pytest.raises(InputError) as refused:
        check(entry(name, **changed))
    assert str(refused.value).startswith(f"{where}: {found}")
