"""The stage that every training of query encoder and index has, whatever its method."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jointir.basics.errors import InputError
from jointir.joint.stage import stage
from jointir.methods import dpq, jpq, known
from jointir.methods.arguments import DevOptions, QueryOptions
from jointir.methods.facts import Form
from jointir.train import processes
from tiny import flat, make

PATHS = ("collection", "encoder", "index", "out_index", "out_encoder", "scratch")
JPQ = {"steps": 4, "batch": 8, "lr": 1e-3, "warmup": 1, "seed": 5, "negatives": 20}
JPQ |= {"lambda_cut": 10, "scale": 20.0, "centroid_lr": 1e-2}
DPQ = {"steps": 4, "batch": 8, "lr": 1e-3, "warmup": 1, "seed": 5, "pq_lr": 1e-3, "scale": 20.0}
DPQ |= {"temperature": 0.1, "reconstruction": 1.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def given(monkeypatch):
    """Let every method remember what its `train` is given, in place of training."""
    seen, methods = [], {}
    for method in (jpq, dpq):
        own = SimpleNamespace(Settings=method.Settings, train=lambda *args: seen.append(args))
        own.train.__doc__ = method.train.__doc__
        methods[method.__name__.rpartition(".")[2]] = own
    monkeypatch.setattr(known, "module", methods.__getitem__)
    return seen


def test_a_method_gets_files_settings_and_dev(given):
    dev = DevOptions(validate_every=3)
    flat(stage("dpq"))(*PATHS, docs="d", **DPQ, dev=dev)
    ((files, settings, options),) = given
    assert [getattr(files, name) for name in PATHS] == list(PATHS)
    assert (files.docs, files.teacher) == ("d", None)
    assert settings == dpq.Settings(**DPQ) and options is dev


@pytest.mark.parametrize("rank", [0, 1])
def test_the_main_process_embeds_the_queries_by_what_was_trained(
    given, monkeypatch, tiny, tmp_path, rank
):
    monkeypatch.setattr(processes, "place", lambda: processes.Place(rank, 2, torch.device("cpu")))
    out = tmp_path / "queries.npy"
    asked = QueryOptions(out, ["dev", "test"], dtype="float32", precision="float32")
    files = (tiny.collection, "start", "index", "out_index", tiny.encoder, "scratch")
    flat(stage("dpq"))(*files, **DPQ, queries=asked)
    if rank:
        assert not out.exists()
    else:
        np.testing.assert_allclose(np.load(out), np.load(tiny.queries), atol=1e-3)


def test_what_tune_chose_takes_the_place_of_what_is_given_but_for_own(given, tmp_path):
    out = tmp_path / "jpq.json"
    out.write_text(json.dumps({"chosen": {"lr": 0.5, "ranking": 0.25}}))
    flat(stage("jpq"))(*PATHS, **JPQ, tuned=out, own=["lr"])
    flat(stage("jpq"))(*PATHS, **JPQ, tuned=out)
    found = [(settings.lr, settings.ranking) for _, settings, _ in given]
    assert found == [(1e-3, 0.25), (0.5, 0.25)]


def test_a_choice_of_settings_that_the_method_has_not_is_refused(given, tmp_path):
    out = tmp_path / "jpq.json"
    out.write_text(json.dumps({"chosen": {"lr": 0.5, "ranking": 0.25}}))
    with pytest.raises(InputError, match=r"jpq\.json: chooses 'ranking', which is no setting here"):
        flat(stage("dpq"))(*PATHS, **DPQ, tuned=out)
    flat(stage("dpq"))(*PATHS, **DPQ, tuned=out, own=["ranking"])
    assert [settings.lr for _, settings, _ in given] == [0.5]


@pytest.mark.parametrize("name", known.trained(Form.INDEX))
def test_its_help_is_that_of_train(name):
    assert stage(name).__doc__ == known.module(name).train.__doc__
