"""The schema of the params takes from a method's `Settings` what an object says."""

import sys
from collections.abc import Iterator

import pytest
import yaml

from conftest import ROOT

sys.path.insert(0, str(ROOT))
from workflow.scripts import schema
from workflow.scripts.params import prepare
from workflow.scripts.schema import load

from jointir.basics.errors import InputError
from jointir.basics.settings import described
from jointir.methods.known import (
    facts,
    module,
    names,
    rankers,
    search_settings,
    settings,
    trained,
)

SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"


def filled(tmp_path, node: dict) -> dict:
    """Return what the file of a schema with this node says."""
    path = tmp_path / "schema.yaml"
    path.write_text(yaml.safe_dump({"properties": {"a": node}}))
    return load(path)["properties"]["a"]


def test_settings_are_parameters_and_required(tmp_path):
    found = filled(tmp_path, {"description": "x", "settings": "jpq", "but_for": ["exact"]})
    own = [name for name in described(settings("jpq")) if name != "exact"]
    assert list(found["properties"]) == found["required"] == own
    assert (found["type"], found["additionalProperties"]) == ("object", False)
    assert found["description"] == "x" and "settings" not in found and "but_for" not in found
    assert found["properties"]["sentences"]["type"] == "integer"
    assert found["properties"]["reconstruction"]["minimum"] == 0
    text = described(settings("jpq"))["mined_from"][1].text
    own = {"description": text, "enum": ["labelled", "all"], "type": "string"}
    assert found["properties"]["mined_from"] == own


def test_an_object_narrows_a_setting_and_has_parameters_of_its_own(tmp_path):
    own = {"M": {"type": "integer"}, "lr": {"exclusiveMinimum": 0}}
    found = filled(tmp_path, {"settings": "jpq", "only": ["lr", "steps"], "properties": own})
    assert found["required"] == list(found["properties"]) == ["M", "steps", "lr"]
    lr = found["properties"]["lr"]
    assert lr.pop("description") == described(settings("jpq"))["lr"][1].text
    assert lr == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


def test_changes_are_not_required(tmp_path):
    found = filled(tmp_path, {"changes": "jpq", "only": ["lr", "exact"]})
    assert set(found["properties"]) == {"lr", "exact"} and "required" not in found
    assert found["properties"]["lr"]["minimum"] == 0


@pytest.mark.parametrize("word", ["but_for", "only"])
def test_a_setting_that_is_none_is_refused(tmp_path, word):
    with pytest.raises(KeyError, match="'leraning_rate'"):
        filled(tmp_path, {"settings": "jpq", word: ["leraning_rate"]})


def test_facts_without_a_section_are_refused(monkeypatch):
    monkeypatch.setattr(schema, "facts", lambda: {**facts(), "my-joint": None})
    line = r"^src/jointir/methods/my_joint\.py: it has `FACTS`, and nothing says what an entry has"
    with pytest.raises(InputError, match=line):
        load(SCHEMA)


def added(monkeypatch, like: str) -> dict:
    """Return the definition of a method `mine` that is as another one."""
    methods = {**facts(), "mine": facts()[like]}
    monkeypatch.setattr(schema, "facts", lambda: methods)
    for name, those in (("trained", trained()), ("rankers", rankers())):
        every = [*those, *["mine"] * (like in those)]
        monkeypatch.setattr(schema, name, lambda every=every: every)
    named = {"settings": settings, "module": module, "search_settings": search_settings}
    for name, kept in named.items():
        monkeypatch.setattr(schema, name, lambda m, kept=kept: kept({"mine": like}.get(m, m)))
    return load(SCHEMA)["$defs"]["mine"]


def test_an_index_that_is_trained_needs_no_section(monkeypatch):
    found = added(monkeypatch, "jpq")
    own = {"method": {"const": "mine"}, "start": {"$ref": "#/$defs/start"}}
    assert own.items() <= found["properties"].items()
    known = {*described(settings("jpq")), "method", "start", "M", "seeds", "every_seed"}
    assert set(found["properties"]) == known
    optional = {"M", "seeds", "every_seed", "exact", "reconstruction", "ranking", "distillation"}
    optional |= {"sentences", "train_words", "mined_from", "checkpoint_minutes"}
    assert set(found["required"]) == known - optional
    assert found["description"] == "JPQ: joint training of query encoder and PQ centroids"


@pytest.mark.parametrize(
    ("like", "beside"),
    [
        ("star", {}),
        ("dual", {"start": "encoder_start"}),
        ("adore", {"start": "start"}),
        ("tct-colbert", {"teacher": "teacher"}),
        ("colbert", {}),
    ],
)
def test_an_encoder_that_is_trained_needs_no_section(monkeypatch, like, beside):
    found = added(monkeypatch, like)
    own = {name: {"$ref": f"#/$defs/{other}"} for name, other in beside.items()}
    assert {"method": {"const": "mine"}, **own}.items() <= found["properties"].items()
    known = {*described(settings(like)), "method", *beside} - {"batch_tokens"}
    assert set(found["properties"]) == known
    assert known - set(found["required"]) <= {"mined_from", "checkpoint_minutes", "refresh"}
    assert set(beside) <= set(found["required"])


def test_a_ranker_needs_no_section_and_has_lists(monkeypatch):
    found = added(monkeypatch, "bm25")
    assert set(found["required"]) == set(found["properties"]) == {"method", "k1", "b"}
    b = found["properties"]["b"]
    assert b.pop("description") == described(settings("bm25"))["b"][1].text
    items = {"type": "number", "minimum": 0, "maximum": 1}
    assert b == {"type": "array", "minItems": 1, "uniqueItems": True, "items": items}


def test_a_ranker_that_is_trained_has_what_it_searches_with_below_search(monkeypatch):
    found = added(monkeypatch, "seal")["properties"]
    own = [name for name in described(search_settings("seal")) if name != "length"]
    assert found["search"]["required"] == list(found["search"]["properties"]) == own
    assert found["length"]["maximum"] == 64


def test_what_names_no_method_stays_as_it_is(tmp_path):
    node = {"type": "object", "properties": {"settings": {"type": "string", "minLength": 1}}}
    assert filled(tmp_path, node) == node


def nodes(node: object) -> Iterator[dict]:
    """Yield every object of the schema that names a method."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes(child)
    if isinstance(node, dict) and any(isinstance(node.get(w), str) for w in schema.WORDS):
        yield node


def test_no_object_says_a_setting_again():
    """But for its bounds and, where it changes others, what its value means there."""
    found = list(nodes(yaml.safe_load(SCHEMA.read_text())))
    assert len(found) == 17
    for node in found:
        of_search = search_settings(node["searches"]) if "searches" in node else None
        fields = described(of_search or settings(node.get("settings") or node["changes"]))
        for name in set(node.get("properties", {})) & set(fields) - set(node.get("but_for", ())):
            said = set(node["properties"][name])
            assert not said & {"type", "enum", "$ref"}, name
            assert "changes" in node or "description" not in said, name


def test_a_method_takes_the_default_params_of_its_systems(monkeypatch):
    monkeypatch.chdir(ROOT)  # the paths of the params begin there
    params: dict = {}
    for path in (ROOT / "params").glob("*.yaml"):
        params |= yaml.safe_load(path.read_text())
    systems = prepare(params, SCHEMA)
    taken = {name: (system["method"], system) for name, system in systems.items()}
    taken = {name: own for name, own in taken.items() if own[0] in names()}
    assert {"star", "ance", "jpq", "jpq-mse-1", "dpq", "opq-4bit", "ivf-jpq", "asi"} <= set(taken)
    taken["distill"] = ("distill", params["distill"])
    for name, (method, given) in taken.items():
        kind = settings(method)
        own = {field: given[field] for field in set(described(kind)) & set(given)}
        if not isinstance(own.get("M"), int):  # it is swept
            own.pop("M", None)
        of_run = {"seed": 7, "M": 16}  # where there are several
        of_run = {field: value for field, value in of_run.items() if field in described(kind)}
        made = kind(**of_run | own)
        assert {field: getattr(made, field) for field in own} == own, name


def test_what_may_be_left_out_is_not_required(tmp_path):
    found = filled(tmp_path, {"settings": "jpq", "only": ["lr", "exact"], "optional": ["exact"]})
    assert found["required"] == ["lr"] and set(found["properties"]) == {"lr", "exact"}
