"""Options reach a command as words: each as it is, in one order."""

import re
import shlex
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
from shell import any_of, options, repeat

ODD = "it's {a} $(b)"


def test_options_are_sorted_and_quoted_and_null_is_left_out():
    told = options({"top_k": 10, "a": ODD, "warm_start": True, "density": False, "bits": None})
    assert shlex.split(told) == ["--a", ODD, "--no-density", "--top-k", "10", "--warm-start"]
    assert options({}) == options({"bits": None}) == ""


def test_an_option_is_repeated_for_each_value():
    assert shlex.split(repeat("out", [ODD, 2])) == ["--out", ODD, "--out", "2"]
    assert repeat("out", []) == ""


@pytest.mark.parametrize("name", ["asi++", "asixx", "asi", "", "jpq"])
def test_a_wildcard_matches_exactly_its_names(name):
    assert bool(re.fullmatch(any_of(["asi++", "jpq"]), name)) == (name in ("asi++", "jpq"))
    assert not re.fullmatch(any_of([]), name)
