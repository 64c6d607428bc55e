"""The search for JPQ's settings, and training without labels, on a tiny collection."""

import json

import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.joint.stage import stage
from jointir.joint.tune import Trial, best, read_candidate, tune
from jointir.joint.tuned import chosen
from tiny import embed_train, flat, make

OPTIONS = {"steps": 4, "batch": 8, "negatives": 20, "lr": 1e-3, "centroid_lr": 1e-2}
OPTIONS |= {"warmup": 1, "lambda_cut": 10, "scale": 20.0, "seed": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tune"))


@pytest.fixture(scope="module")
def teacher(tiny):
    return embed_train(tiny)


def test_another_candidate_has_to_be_better_by_least():
    trials = [Trial({}, 0.5, 0.02), Trial({"lr": 1.0}, 0.6, 0.025), Trial({"lr": 2.0}, 0.4, 0.03)]
    assert best(trials, 0.02) is trials[0]
    assert best(trials, 0.005) is trials[2]
    lossy = [*trials[:2], Trial({"lr": 2.0}, 0.4, 0.03, "R@100")]
    assert best(lossy, 0.005) is trials[1]
    assert best([Trial({}, 0.5, 0.02, "R@100"), Trial({"lr": 1.0}, 0.5, 0.01)], 0.1).settings
    assert best([Trial({}, 0.5, 0.02, "R@100")], 0.1).settings == {}


def test_candidates_are_settings_that_are_tuned():
    assert read_candidate("lr=2e-05 mined_from=all") == {"lr": 2e-5, "mined_from": "all"}
    assert read_candidate("") == {}
    with pytest.raises(InputError, match="'seed' is not tuned"):
        read_candidate("seed=1")
    with pytest.raises(InputError, match="'lr=fast' is no number"):
        read_candidate("lr=fast")


def train(tiny, teacher, out, **changed) -> bytes:
    paths = (out / "index.faiss", out / "encoder", out / "scratch")
    own = {"docs": tiny.docs, "teacher": teacher, "ranking": 0.3, "distillation": 1.0}
    flat(stage("jpq"))(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS | own | changed)
    return (out / "index.faiss").read_bytes() + (out / "encoder" / "model.safetensors").read_bytes()


def test_the_stage_tries_each_and_a_training_reads_its_choice(tiny, teacher, tmp_path):
    out = tmp_path / "jpq.json"
    given = {"ranking": 0.3, "distillation": 1.0, "mined_from": "labelled", "least": -1e9}
    paths = (tiny.collection, tiny.encoder, tiny.docs, teacher, tiny.opq, out, tmp_path / "s")
    flat(tune)(*paths, ["", "lr=0.0001", "ranking=1.0 distillation=0.0"], **OPTIONS | given)
    found = json.loads(out.read_text())
    assert [t["settings"] for t in found["trials"]] == [
        {},
        {"lr": 1e-4},
        {"ranking": 1.0, "distillation": 0.0},
    ]
    gains = [t["gain"] for t in found["trials"]]
    assert found["chosen"] == found["trials"][int(np.argmax(gains))]["settings"]
    assert not (tmp_path / "s").exists()
    out.write_text('{"chosen": {"lr": 0.0001, "ranking": 1.0}}')
    assert chosen(out) == {"lr": 1e-4, "ranking": 1.0}
    by_hand = train(tiny, teacher, tmp_path / "a", lr=1e-4, ranking=1.0)
    assert train(tiny, teacher, tmp_path / "b", tuned=out) == by_hand
    assert train(tiny, teacher, tmp_path / "c", tuned=out, own=["lr"]) == train(
        tiny, teacher, tmp_path / "d", ranking=1.0
    )
    out.write_text('{"chosen": {"seed": 3}}')
    with pytest.raises(InputError, match="holds no choice of settings"):
        train(tiny, teacher, tmp_path / "e", tuned=out)


def test_without_labels_the_judgements_change_nothing(tiny, teacher, tmp_path):
    alone = train(tiny, teacher, tmp_path / "a", ranking=0.0)
    assert alone == train(
        tiny, teacher, tmp_path / "b", ranking=0.0, mined_from="all", lambda_cut=3
    )
    assert alone != train(tiny, teacher, tmp_path / "c")


def test_distillation_needs_the_train_queries_by_the_same_encoder(tiny, teacher, tmp_path):
    with pytest.raises(InputError, match="teacher: distillation needs it"):
        train(tiny, None, tmp_path)
    np.save(tmp_path / "t.npy", np.load(teacher)[1:])
    with pytest.raises(InputError, match=r"t\.npy: has the shape"):
        train(tiny, tmp_path / "t.npy", tmp_path)
