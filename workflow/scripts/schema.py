"""The schema of the params, what it takes from the methods' `Settings` filled in.

Beside the words of JSON Schema, an object in workflow/schemas/params.schema.yaml may have:
    settings: jpq   each field of this method's Settings is a parameter, and required
    changes: jpq    each field may be named, in place of what is given elsewhere
    but_for: [...]  fields that are no parameters here
    only: [...]     the fields that are
    optional: [...] of `settings`, what need not be named
What it says itself of such a parameter narrows it, and its own parameters come beside them.
"""

from pathlib import Path

import yaml

from jointir.methods import settings
from jointir.settings import Option, described

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
BOUNDS = {"least": "minimum", "above": "exclusiveMinimum"}
BOUNDS |= {"most": "maximum", "below": "exclusiveMaximum"}
WIDER = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def load(path: Path) -> dict:
    """Return the JSON Schema of the params that a YAML file says."""
    return _filled(yaml.CSafeLoader(path.read_text(encoding="utf-8")).get_single_data())


def _filled(node: object) -> object:
    if isinstance(node, list):
        return [_filled(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: _filled(value) for key, value in node.items()}
    # the value of a parameter of such a name would be a schema, not text
    if isinstance(node.get("settings"), str) or isinstance(node.get("changes"), str):
        return _of_method(node)
    return node


def _of_method(node: dict) -> dict:
    """Return an object with the parameters that its method's settings are."""
    required = "settings" in node
    fields = described(settings(node.pop("settings", None) or node.pop("changes")))
    left_out, only = node.pop("but_for", ()), node.pop("only", fields)
    optional = node.pop("optional", ())
    if unknown := {*left_out, *only} - set(fields):
        raise KeyError(f"but_for or only names {sorted(unknown)}, not of {sorted(fields)}")
    own = node.pop("properties", {})
    found = {
        name: narrowed(parameter(*said), own.get(name, {}))
        for name, said in fields.items()
        if name in only and name not in left_out
    }
    properties = {name: own[name] for name in own if name not in found} | found
    whole = {"type": "object", "additionalProperties": False, "properties": properties}
    needed = [name for name in properties if name not in optional]
    return node | whole | ({"required": needed} if required else {})


def parameter(kind: type, option: Option) -> dict:
    """Return the schema of a field."""
    values = {"enum": list(option.among)} if option.among else {"type": TYPES[kind]}
    bounds = {BOUNDS[name]: bound for name, bound in option.bounds()}
    return {"description": option.text, **values, **bounds}


def narrowed(of_field: dict, own: dict) -> dict:
    """Return the schema of a field with what a section says itself, whose bounds take the place."""
    wider = {WIDER[bound] for bound in own if bound in WIDER}
    return {key: value for key, value in of_field.items() if key not in wider} | own
