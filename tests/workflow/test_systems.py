"""Systems: a method with settings, or like another one; which are refused."""

import re
import sys

import pytest

from conftest import ROOT, all_params

sys.path.insert(0, str(ROOT))
from workflow.scripts.params import _settings, prepare
from workflow.scripts.reads import Params, dotted, taken
from workflow.scripts.schema import load
from workflow.scripts.systems import Entry, Systems, bits_of

from jointir.basics.errors import InputError
from jointir.methods.facts import PRETRAINED
from jointir.methods.known import facts
from test_params_refused import SCHEMA, read

KNOWN = {
    "opq": {"M", "bits", "seed"},
    "jpq": {"M", "lr", "scale", "start"},
    "asi": {"train_decoder"},
}
ENTRIES = {
    "opq": {"method": "opq", "seed": 1},
    "opq-4bit": {"like": "opq", "bits": 4, "M": [32]},
    "jpq": {"method": "jpq", "start": "opq", "lr": 1, "scale": 40},
    "mine": {"like": "jpq", "scale": 20},
    "yours": {"like": "mine", "lr": 2, "start": "opq-4bit"},
    "other": {"method": "opq", "like": "yours", "M": [8]},
    "asi": {"method": "asi", "train_decoder": {"steps": 8, "batch": 100}},
    "my-asi": {"like": "asi", "train_decoder": {"steps": 16}},
}


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.chdir(ROOT)


def known() -> dict[str, set[str]]:
    """Return the settings of each method, of the schema."""
    return _settings(load(SCHEMA))


def test_an_entry_has_what_it_names_and_the_rest_of_what_it_is_like():
    found = Systems(ENTRIES, KNOWN)
    assert found["opq-4bit"] == {"method": "opq", "seed": 1, "bits": 4, "M": [32]}
    assert found["mine"] == {"method": "jpq", "start": "opq", "lr": 1, "scale": 20}
    assert found["yours"] == {"method": "jpq", "start": "opq-4bit", "lr": 2, "scale": 20}
    assert found["my-asi"]["train_decoder"] == {"steps": 16, "batch": 100}
    assert found["other"] == {"method": "opq", "M": [8]}, "of JPQ's settings OPQ has none"
    assert found.chains["yours"] == ["yours", "mine", "jpq"]
    assert found.of_method("jpq") == ["jpq", "mine", "yours"]
    assert [bits_of(found, name) for name in ("opq", "opq-4bit", "mine", "yours")] == [8, 4, 8, 4]


def test_what_is_read_is_noted_where_it_is_written():
    """`Params` notes a value in the entry that has it, and the whole of those that do not."""
    found, config = Systems(ENTRIES, KNOWN), Params({"systems": ENTRIES})

    def noted(name: str, ask) -> list[str]:
        layers = [config["systems"][each] for each in found.chains[name]]
        taken()
        ask(Entry(layers, KNOWN[found.methods[name]]))
        return dotted(taken())

    assert noted("jpq", lambda own: own["lr"]) == ["systems.jpq.lr", "systems.jpq.method"]
    told = noted("mine", lambda own: own["lr"])
    assert told == ["systems.jpq.lr", "systems.jpq.method", "systems.mine"]
    told = noted("my-asi", lambda own: own["train_decoder"]["batch"])
    assert "systems.asi.train_decoder.batch" in told
    assert noted("jpq", lambda own: own.get("M")) == ["systems.jpq"]
    assert "systems.opq" not in noted("yours", dict)


def test_an_entry_reads_as_its_system_is_resolved():
    found, config = Systems(ENTRIES, KNOWN), Params({"systems": ENTRIES})
    for name, whole in found.items():
        layers = [config["systems"][each] for each in found.chains[name]]
        entry = Entry(layers, KNOWN[found.methods[name]])
        as_dict = {k: dict(v) if isinstance(v, Entry | Params) else v for k, v in entry.items()}
        assert as_dict == {k: v for k, v in whole.items() if k != "method"}, name
        assert len(entry) == len(whole) - 1


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        ({"a": {}}, "systems.a: it has neither `method` nor `like`. Give it a method"),
        ({"a": 5}, "systems.a: 5 is no entry. "),
        ({"a": {"method": "jqp"}}, "systems.a.method: 'jqp' is unknown. Choose of adore, annoy"),
        (
            {"a": {"method": ["jpq"]}},
            "systems.a.method: ['jpq'] is unknown. Choose of adore, annoy",
        ),
        ({"a": {"like": "b"}}, "systems.a.like: 'b' is not under `systems`. Describe it there"),
        ({"a": {"like": 5}}, "systems.a.like: 5 is not under `systems`"),
        ({"a": {"like": "a"}}, "systems.a.like: a is like a: a circle. "),
        (
            {"a": {"like": "b"}, "b": {"like": "c"}, "c": {"like": "a"}},
            "systems.a.like: a is like b is like c is like a: a circle. ",
        ),
        # not `mine`, which comes before it and is like it
        ({"jpq": {"like": "jpq"}}, "systems.jpq.like: jpq is like jpq: a circle. "),
    ],
    ids=str,
)
def test_what_resolves_to_nothing_is_refused(entries, line):
    with pytest.raises(InputError, match=re.escape(line)):
        Systems(ENTRIES | entries, KNOWN)


MINE = {"like": "jpq"}


@pytest.mark.parametrize(
    ("systems", "line"),
    [
        ({"mine": MINE | {"sclae": 2}}, "systems.mine: Additional properties are not allowed ('sc"),
        ({"mine": MINE | {"scale": 0}}, "systems.mine.scale: 0 is less than or equal to the mini"),
        ({"mine": MINE | {"nlist": 2}}, "systems.mine: Additional properties are not allowed ('nl"),
        ({"mine": {"like": "jqp"}}, "systems.mine.like: 'jqp' is not under `systems`. Describe it"),
        ({"mine": {"method": "opq"}}, "systems.mine: 'seed' is a required property. What it is"),
        ({"mine": {"method": "opq", "like": "jpq"}}, "systems.mine: 'sample' is a required proper"),
        ({"mine": MINE | {"start": "pq"}}, "systems.mine.start: 'pq' has the method 'pq'. Choose"),
        ({"mine": MINE | {"start": "x"}}, "systems.mine.start: 'x' is not under `systems`. Choose"),
        ({"mine": {"like": "dpq", "start": "opq-4bit"}}, "systems.mine.start: 'opq-4bit' has code"),
        ({"mine": {"like": "ivf-jpq", "start": "jpq-4bit"}}, "systems.mine.start: 'jpq-4bit' has"),
        ({"mine": {"like": "tct-colbert", "teacher": "star"}}, "systems.mine.teacher: 'star' has"),
        (
            {"a": {"like": "ance", "start": "b"}, "b": {"like": "ance", "start": "a"}},
            "systems.a.start: a starts from b starts from a: a circle",
        ),
        (
            {"ance": {"start": "bm25-neg"}, "bm25-neg": {"start": "bm25-neg"}},
            "systems.bm25-neg.start: bm25-neg starts from bm25-neg: a circle",
        ),
        ({"pretrained": MINE}, "systems.pretrained: is what `start` calls the encoder as it came."),
        ({"mine": MINE | {"every_seed": [16]}}, "systems.mine.every_seed: there are no `seeds`"),
        (
            {"mine": {"method": "annoy", "trees": 9, "sweep": {"nprobe": [9]}, "seed": 1}},
            "systems.mine.sweep: 'nprobe' is not what an index of 'annoy' sweeps. Name search_k",
        ),
        (
            {"mine": {"like": "scann", "M": 16}},
            "systems.scann.sweep: 'M' is a setting of 'mine', too. Leave out one of the two",
        ),
        (
            {"mine": {"method": "annoy", "sweep": {"search_k": [9]}, "seed": 1}},
            "systems.mine: 'trees' is a required property",
        ),
        ({True: MINE}, "systems: the name True is no text. Put it in quotes"),
        ({"mine": MINE | {5: 5}}, "systems.mine: the name 5 is no text. Put it in quotes"),
        ({"mine\n": MINE}, "systems: 'mine\\n' does not match "),
        ({"runs": {"like": "ance"}}, "systems.runs: is the name of another folder in data/DATASET"),
        ({"my+jpq": MINE}, "systems.my+jpq: has a +, which no stage of DVC may have. Choose"),
        ({"My": MINE}, "systems: 'My' does not match "),
        ({"star": {"method": "dual", "start": "pretrained", "negatives": "random"}},
         "systems.star: has the method 'dual'. Give it the method 'star'"),
        ({"jpq": {"seeds": [1, 2]}}, "systems.jpq.seeds: is named, and the reports compare with o"),
        # the entry that a bad value was written in, not the first that takes it
        ({"star": {"lr": 5}}, "systems.star.lr: 5 is greater than the maximum of 1. What it is"),
        ({"asi++": {"train_decoder": {"lr": 5}}},
         "systems.asi++.train_decoder.lr: 5 is greater than"),
        ({"jpq-mse-10": {"lr": "x"}}, "systems.jpq-mse-10.lr: 'x' is not of type 'number'. What"),
        ({"opq": {"smaple": 1}}, "systems.opq: Additional properties are not allowed ('smaple'"),
    ],
    ids=str,
)  # fmt: skip
def test_an_error_names_the_users_own_entry_and_key(systems, line):
    with pytest.raises(SystemExit) as told:
        read({"systems": systems})
    assert told.value.code.startswith(line) and "\n" not in told.value.code


@pytest.mark.parametrize(
    ("report", "name", "line"),
    [
        ("figure4", "x", "figure4.systems: 'x' is not under `systems`. Describe it there, or"),
        ("figure1", "asi", "figure1.systems: 'asi' has the method 'asi'. Choose of star, rand-neg"),
        ("figure5", "adore", "figure5.systems: 'adore' has the method 'adore'. Choose of"),
        ("figure7", "opq", "figure7.systems: 'opq' has the method 'opq'. Choose of jpq, jpq-4bit"),
        ("asi", "jpq", "asi.systems: 'jpq' has the method 'jpq'. Choose of asi++, asi"),
    ],
)
def test_a_report_shows_what_it_can(report, name, line):
    with pytest.raises(SystemExit) as told:
        read({report: {"systems": [name]}})
    assert told.value.code.startswith(line)


@pytest.mark.parametrize(
    ("overlay", "now"),
    [
        ({"jpq": {"lr": 1e-5}}, "jpq.lr is now systems.jpq.lr"),
        ({"star": {"steps": 5}}, "star.steps is now systems.star.steps"),
        ({"opq": {"sample": 5}}, "opq.sample is now systems.opq.sample"),
        ({"pq": {"seed": 5}}, "pq.seed is now systems.pq.seed"),
        ({"itq-lsh": {"M": [8]}}, "itq-lsh.M is now systems.itq-lsh.M"),
        ({"jpq-4bit": {"M": [32]}}, "jpq-4bit.M is now systems.jpq-4bit.M"),
        ({"bm25": {"k1": [1]}}, "bm25.k1 is now systems.bm25.k1"),
        ({"ann": {"hnsw": {"build": {"links": 4}}}},
         "ann.hnsw.build.links is now systems.hnsw.links"),
        ({"systems": {"hnsw": {"build": {"links": 4}}}},
         "systems.hnsw.build.links is now systems.hnsw.links"),
        ({"retrievers": {"ance": {"refresh": 9}}},
         "retrievers.ance.refresh is now systems.ance.refresh"),
        ({"scale": {"M": 4}}, "scale.M is now scaling.M"),
        ({"retrievers": {"run": ["bm25"]}}, "retrievers.run is now figure1.systems"),
        ({"ablation": {"variants": {"jpq-neg": {"scale": 9}}}},
         "ablation.variants.jpq-neg.scale is now systems.jpq-neg.scale"),
        ({"ablation": {"run": []}}, "ablation.run is now figure7.systems"),
        ({"ablation": {"seeds": [1]}}, "ablation.seeds is now systems.NAME.seeds"),
        ({"ablation": {"every_seed": [16]}}, "ablation.every_seed is now systems.NAME.every_seed"),
        ({"asi": {"variants": {"asi": {"gamma": 1}}}}, "asi.variants.asi.gamma is now systems.asi"),
        ({"asi": {"run": ["asi"]}}, "asi.run is now asi.systems"),
        ({"asi": {"steps": 5}}, "asi.steps is now systems.asi++.steps"),
        ({"asi": {"settle": {"steps": 5}}},
         "asi.settle.steps is now systems.asi++.train_decoder.steps"),
        ({"asi": {"variants": {"asi": {"settle": {"lr": 1}}}}},
         "asi.variants.asi.settle.lr is now systems.asi.train_decoder.lr"),
        ({"systems": {"asi": {"settle": {"lr": 1}}}},
         "systems.asi.settle.lr is now systems.asi.train_decoder.lr"),
        ({"asi": {"seeds": [5]}}, "asi.seeds is now systems.asi++.seeds"),
        ({"ablation": {}}, "ablation is now figure7"),
    ],
    ids=str,
)  # fmt: skip
def test_params_of_before_are_refused_with_their_new_name(overlay, now):
    with pytest.raises(SystemExit, match=re.escape(f"params: {now}")):
        read(overlay)


def test_a_mistyped_name_of_asi_is_not_taken_for_an_old_one():
    with pytest.raises(SystemExit, match=r"^asi: Additional properties .*'sytems' was unexpected"):
        read({"asi": {"sytems": ["asi"]}})


def test_the_default_systems_are_what_they_were():
    """Values that an entry takes from another."""
    found = prepare(all_params(ROOT), SCHEMA)
    assert found["jpq-4bit"] == found["jpq"] | {"start": "opq-4bit", "M": [96]}
    assert found["opq-4bit"] == found["opq"] | {"bits": 4, "M": [96]}
    assert found["ance"]["steps"] == found["star"]["steps"] and found["ance"]["start"] == "bm25-neg"
    assert found["adore"]["negatives"] == found["jpq"]["negatives"]
    assert not {"ranking", "distillation", "sentences", "centroid_lr"} & set(found["adore"])
    assert "scale" not in found["colbert"] and "random_weight" not in found["tct-colbert"]
    assert found["jpq-mse-100"]["reconstruction"] == 100 and found["jpq-mse-100"]["M"] == [24]
    assert found["hnsw-opq"] == found["hnsw"] | {
        "method": "hnsw-opq",
        "M": 48,
        "iterations": 10,
        "sample": 10000,
    }


def test_facts_settings_and_code_name_the_same_methods():
    assert set(known()) == set(facts())
    for method, own in facts().items():
        assert set(own.references) <= known()[method], method
        for allowed in own.references.values():
            assert set(allowed) <= {*facts(), PRETRAINED}
