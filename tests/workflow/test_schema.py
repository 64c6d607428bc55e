"""The schema of the params takes from a method's `Settings` what an object says."""

import sys

import pytest
import yaml

from conftest import ROOT

sys.path.insert(0, str(ROOT))
from workflow.scripts.schema import load

from jointir.methods import settings
from jointir.settings import described

SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"


def filled(tmp_path, node: dict) -> dict:
    """Return what the file of a schema with this node says."""
    path = tmp_path / "schema.yaml"
    path.write_text(yaml.safe_dump({"properties": {"a": node}}))
    return load(path)["properties"]["a"]


def test_settings_are_parameters_and_required(tmp_path):
    found = filled(tmp_path, {"description": "x", "settings": "jpq", "but_for": ["exact"]})
    names = [name for name in described(settings("jpq")) if name != "exact"]
    assert list(found["properties"]) == found["required"] == names
    assert (found["type"], found["additionalProperties"]) == ("object", False)
    assert found["description"] == "x" and "settings" not in found and "but_for" not in found
    assert found["properties"]["sentences"]["type"] == "integer"
    assert found["properties"]["reconstruction"]["minimum"] == 0
    text = described(settings("jpq"))["mined_from"][1].text
    own = {"description": text, "enum": ["labelled", "all"]}
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


def test_what_names_no_method_stays_as_it_is(tmp_path):
    node = {"type": "object", "properties": {"settings": {"type": "string", "minLength": 1}}}
    assert filled(tmp_path, node) == node


def sections(node: object) -> list[str]:
    """Return the methods whose settings are parameters of the schema."""
    if isinstance(node, dict):
        own = [node["settings"]] if isinstance(node.get("settings"), str) else []
        return own + [name for child in node.values() for name in sections(child)]
    return [name for child in node for name in sections(child)] if isinstance(node, list) else []


def test_the_schema_says_no_setting_of_such_a_section_again():
    """But for its bounds: type and meaning are those of `Settings`."""
    text = yaml.safe_load(SCHEMA.read_text())
    assert "jpq" in sections(text)

    def walk(node: object) -> None:
        if isinstance(node, dict):
            name = node.get("settings") or node.get("changes")
            if isinstance(name, str):
                for field in set(node.get("properties", {})) & set(described(settings(name))):
                    assert not {"type", "description", "enum"} & set(node["properties"][field])
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(text)
