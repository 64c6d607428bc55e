"""Numbers that nothing can work with: refused by parameter and by option, shown short."""

import math
import sys

import pytest
import yaml

from conftest import ROOT
from jointir import cli
from jointir.basics.errors import InputError
from jointir.basics.numbers import LARGEST, LARGEST_SEED, as_number, check_finite, shown

REFUSED = {
    "systems.star.lr: nan is not a finite": {"systems": {"star": {"lr": math.nan}}},
    "star.scale: inf is not a finite number": {"star": {"scale": math.inf}},
    "bm25.b[1]: -inf is not a finite number": {"bm25": {"b": [0.4, -math.inf]}},
    "systems.asi.train_decoder.lr: nan is": {
        "systems": {"asi": {"train_decoder": {"lr": math.nan}}}
    },
    "scaling.sizes[0]: 1.00e+20 is more than any stage": {"scaling": {"sizes": [10**20]}},
    "star.steps: -9.22e+18 is more than any stage": {"star": {"steps": -(2**63)}},
    "jpq.lr: inf is not a finite number": {"jpq": {"lr": as_number("1e999")}},
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_parameter_that_is_no_number_is_named(words):
    with pytest.raises(InputError) as caught:
        check_finite(REFUSED[words])
    assert str(caught.value).startswith(words) and "Give a " in str(caught.value)


def test_every_parameter_of_the_default_passes():
    for path in sorted((ROOT / "params").rglob("*.yaml")):
        check_finite(yaml.safe_load(path.read_text()))
    check_finite({"a": [LARGEST, -LARGEST, 1.7e308, True, None, "nan"]})


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-123456789, "-123456789"),
        (10**12, "1.00e+12"),
        (10**400, "1.00e+400"),
        (1e308, "1e+308"),
        (0.25, "0.25"),
        (math.nan, "nan"),
    ],
)
def test_a_long_number_is_shown_short(number, text):
    assert shown(number) == text


MORE = "1.00e+20 is more than any stage can take. Give a number from -9223372036854775807 to"
MORE += " 9223372036854775807"
PATHS = ("--collection", "--encoder", "--docs", "--out", "--scratch")
STAR = {"--steps": 1, "--batch": 2, "--lr": 1e-5, "--warmup": 0, "--scale": 20}
STAR |= {"--random-weight": 0.1, "--depth": 2, "--seed": 1}
OPTIONS = {
    ("--lr", "nan"): "nan is not a finite number. Give a finite number",
    ("--scale", "inf"): "inf is not a finite number. Give a finite number",
    ("--random-weight", "-inf"): "-inf is not a finite number. Give a finite number",
    ("--checkpoint-minutes", "nan"): "nan is not a finite number. Give a finite number",
    ("--steps", str(10**20)): MORE,
    ("--seed", str(10**20 - 1)): MORE,
    ("--seed", "-1"): "-1 is no seed that every library takes. Give a number from 0 to 2147483647",
    ("--seed", str(2**31)): (
        "2147483648 is no seed that every library takes. Give a number from 0 to 2147483647"
    ),
}


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_an_option_that_is_no_number_is_one_line(option, monkeypatch, capsys, tmp_path):
    words = [w for path in PATHS for w in (path, str(tmp_path / "none"))]
    words += [str(w) for pair in (STAR | dict([option])).items() for w in pair]
    monkeypatch.setattr(sys, "argv", ["jointir", "star", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"jointir star: {option[0]}: {OPTIONS[option]}\n"
    assert list(tmp_path.iterdir()) == []


def test_every_number_of_a_list_is_looked_at():
    reached = []

    def stage(k1: list[float], seeds: list[int]) -> None:
        """Remember."""
        reached.append((k1, seeds))

    command = cli.with_options(stage, "s")
    command(k1=[0.9, 1.2], seeds=[0, LARGEST_SEED])
    assert reached == [([0.9, 1.2], [0, 2**31 - 1])]
    for values in ({"k1": [0.9, math.nan], "seeds": [1]}, {"k1": [1.0], "seeds": [1, 2**31]}):
        with pytest.raises(SystemExit):
            command(**values)
    assert len(reached) == 1
