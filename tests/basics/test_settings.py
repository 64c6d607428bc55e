"""What is said of a setting: its bounds, who refuses what is beyond them, and in which words."""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import pytest

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked, Option, described, unfolded


@dataclass(frozen=True, kw_only=True)
class Base(Checked):
    """What two have."""

    rate: Annotated[float, Option("a rate", above=0, most=1)]
    steps: Annotated[int, Option("steps", least=1)] = 5


@dataclass(frozen=True, kw_only=True)
class Own(Base):
    """With a wider rate, and text."""

    rate: Annotated[float, Option("a rate, 0 for none", least=0, below=1)]
    first_kind: Annotated[str, Option("what it is", among=("a", "b"))] = "a"
    plain: Annotated[int, "said by its text alone"] = 0
    silent: bool = False


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (Base, {"rate": 0}, "--rate: 0 is not above 0. Set a number above 0 and at most 1"),
        (Base, {"rate": 1.5}, "--rate: 1.5 is not at most 1. Set a number above 0 and at most 1"),
        (Base, {"rate": math.nan}, "--rate: nan is not above 0. Set a number above 0 and at m"),
        (Base, {"rate": 1, "steps": 0}, "--steps: 0 is not at least 1. Set a number at least 1"),
        (Own, {"rate": -1}, "--rate: -1 is not at least 0. Set a number at least 0 and below 1"),
        (Own, {"rate": 1}, "--rate: 1 is not below 1. Set a number at least 0 and below 1"),
        (Own, {"rate": 0, "first_kind": "c"}, "--first-kind: 'c' is unknown. Choose one of a, b"),
    ],
    ids=str,
)
def test_what_is_beyond_a_bound_is_refused_by_its_option(kind, given, told):
    with pytest.raises(InputError) as caught:
        kind(**given)
    assert str(caught.value).startswith(told)


def test_what_is_within_the_bounds_passes_and_a_change_is_checked_too():
    assert Base(rate=1).steps == 5
    own = Own(rate=0, first_kind="b", plain=-7)
    with pytest.raises(InputError, match="--rate: 2 is not below 1"):
        replace(own, rate=2)
    given = {"path": "p", "settings": own}
    fields = {"rate": 0, "steps": 5, "first_kind": "b", "plain": -7, "silent": False}
    assert unfolded(given) == {"path": "p"} | fields


def test_a_field_is_described_where_it_is_declared_last():
    found = described(Own)
    assert list(found) == ["rate", "steps", "first_kind", "plain", "silent"]
    assert found["rate"] == (float, Option("a rate, 0 for none", least=0, below=1))
    assert found["steps"] == described(Base)["steps"]
    assert found["plain"] == (int, Option("said by its text alone"))
    assert found["silent"] == (bool, Option(""))


def test_help_says_the_bounds():
    told = [option.help() for _, option in described(Own).values()]
    assert told == [
        "a rate, 0 for none (at least 0 and below 1)",
        "steps (at least 1)",
        "what it is (one of a, b)",
        "said by its text alone",
        "",
    ]
