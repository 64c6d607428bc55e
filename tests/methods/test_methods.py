"""Every method has settings that are described, and to read them loads no library."""

import inspect
import subprocess
import sys

import pytest

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked, described
from jointir.methods.known import KINDS, names, settings

LEAST_WORDS = 2  # of a description
FORBIDDEN = {"torch", "faiss", "transformers", "sentence_transformers", "numpy", "pandas"}


def test_reading_all_settings_loads_no_library():
    code = "import sys; from jointir.methods.known import facts, names, settings; facts()"
    code += "; [settings(name) for name in names()]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert {f"jointir.methods.{name.replace('-', '_')}" for name in names()} <= loaded
    assert loaded & FORBIDDEN == set()


def test_a_method_that_is_none_is_refused():
    with pytest.raises(KeyError, match="'shared' is no method"):
        settings("shared")


@pytest.mark.parametrize("name", names())
def test_each_setting_is_described_and_its_default_is_allowed(name):
    kind = settings(name)
    assert issubclass(kind, Checked) and kind.__doc__
    for field, (own, option) in described(kind).items():
        assert own in KINDS, field
        assert len(option.text.split()) >= LEAST_WORDS or option.text.startswith("L_"), field
        if own in (int, float, list[float]):
            assert option.among or list(option.bounds()), f"{field} has no bound"
        if own is str and field != "checkpoint":  # the name of a model
            assert option.among, f"{field} has no choices"
        default = inspect.signature(kind).parameters[field].default
        if default is not inspect.Parameter.empty:
            option.check(field, default)
        for bound, value in option.bounds():
            beyond = value + {"least": -1, "above": 0, "most": 1, "below": 0}[bound]
            with pytest.raises(InputError, match=f"^{field}: "):
                option.check(field, [beyond] if own == list[float] else beyond)
