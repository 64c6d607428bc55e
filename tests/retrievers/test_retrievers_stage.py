"""The stage that every training of an encoder has, whatever its method."""

import re
from types import SimpleNamespace

import pytest

from jointir.basics.errors import InputError
from jointir.methods import known
from jointir.methods.arguments import UNMEASURED, UNSAMPLED, DevOptions, EncoderFiles, SampleOptions
from jointir.methods.facts import Form
from jointir.retrievers.stage import stage
from tiny import flat

ENCODERS = known.trained(Form.ENCODER, Form.RANKER)
PATHS = ("collection", "encoder", "out", "scratch")
SHARED = {"steps": 4, "batch": 8, "lr": 1e-3, "warmup": 1, "seed": 5}
HARD = SHARED | {"depth": 20}
OWN = {
    "star": HARD | {"scale": 20.0, "random_weight": 0.5},
    "dual": HARD | {"scale": 20.0, "random_weight": 0.5, "negatives": "random"},
    "adore": SHARED | {"negatives": 20, "lambda_cut": 10, "scale": 20.0},
    "colbert": HARD | {"random_weight": 0.5, "dim": 16, "head_lr": 1e-3},
    "seal": SHARED | {"sentences": 4, "layers": 1, "length": 5, "temperature": 1.0},
    "simcse": SHARED | {"temperature": 0.05, "dropout": 0.1},
    "tct-colbert": HARD | {"scale": 20.0, "gamma": 0.1, "temperature": 0.25},
}
OF_QUERIES = ("adore", "seal")  # documents stay as they are
READ = {"adore": {"docs": "d"}, "tct-colbert": {"teacher": "t"}}


def test_these_are_all():
    assert ENCODERS == sorted(OWN)
    joint = known.trained(Form.INDEX)
    assert joint == ["dpq", "jpq"] and known.trained() == sorted([*OWN, *joint])


@pytest.fixture
def given(monkeypatch):
    """Let every method remember what its `train` is given, in place of training."""
    seen = []

    def module(name: str) -> SimpleNamespace:
        train = lambda *args: seen.append(args)  # noqa: E731
        train.__doc__ = methods[name].train.__doc__
        return SimpleNamespace(Settings=methods[name].Settings, train=train)

    methods = {name: known.module(name) for name in ENCODERS}
    known.facts()  # before its modules are others
    monkeypatch.setattr(known, "module", module)
    return seen


@pytest.mark.parametrize("name", ENCODERS)
def test_a_method_gets_files_settings_and_dev(given, name):
    kind = known.settings(name)
    flat(stage(name))(*PATHS, **READ.get(name, {}), **OWN[name])
    ((files, settings, dev),) = given
    assert files == EncoderFiles(*PATHS, **READ.get(name, {}))
    assert settings == kind(**OWN[name])
    assert dev is (UNMEASURED if name in OF_QUERIES else UNSAMPLED)
    assert type(dev) is (DevOptions if name in OF_QUERIES else SampleOptions)


@pytest.mark.parametrize("name", READ)
def test_a_file_that_a_method_always_reads_is_asked_for(given, name):
    (option,) = READ[name]
    line = f"--{option}: is missing. {name} reads it: name it"
    with pytest.raises(InputError, match=re.escape(line)):
        flat(stage(name))(*PATHS, **OWN[name])
    assert given == []


@pytest.mark.parametrize("name", ENCODERS)
def test_its_help_is_that_of_train(name):
    assert stage(name).__doc__ == known.module(name).train.__doc__
