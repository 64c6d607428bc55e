"""The schema of the params, what it takes from the methods' `Settings` filled in.

Beside the words of JSON Schema, an object in workflow/schemas/params.schema.yaml may have:
    settings: jpq   each field of this method's Settings is a parameter, and required
    changes: jpq    each field may be named, in place of what is given elsewhere
    searches: seal  each field of this method's Search is a parameter, and required
    but_for: [...]  fields that are no parameters here
    only: [...]     the fields that are
    optional: [...] of `settings`, what need not be named
What it says itself of such a parameter narrows it, and its own parameters come beside them.
"""

from dataclasses import MISSING, fields
from pathlib import Path

import yaml

from jointir.basics.errors import InputError
from jointir.basics.settings import Option, described
from jointir.methods.facts import PRETRAINED, Form
from jointir.methods.known import (
    facts,
    fitted,
    libraries,
    module,
    rankers,
    search_settings,
    settings,
    trained,
)

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
BOUNDS = {"least": "minimum", "above": "exclusiveMinimum"}
BOUNDS |= {"most": "maximum", "below": "exclusiveMaximum"}
LIBRARY = {"sweep": "one_sweep"}
FITTED = {"M": "own_sweep"}  # what an entry has beside the settings, and its definition
TRAINED = {"start": "start", "M": "own_sweep", "seeds": "own_seeds", "every_seed": "every_seed"}
WORDS = ("settings", "changes", "searches")
WIDER = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def load(path: Path) -> dict:
    """Return the JSON Schema of the params that a YAML file says."""
    schema = yaml.CSafeLoader(path.read_text(encoding="utf-8")).get_single_data()
    if "systems" in schema["properties"]:
        _add_methods(schema)
    return _filled(schema)


def _add_methods(schema: dict) -> None:
    """Say of each system, by its method, what it may have.

    A method that is fitted or trained, or a library's, needs no definition: it has its settings and
    what its facts name. An index has M, too; one that is trained has seeds; a library's, a sweep.
    """
    for method in libraries():
        schema["$defs"].setdefault(method, _of_library(method))
    for method in fitted():
        schema["$defs"].setdefault(method, _of_code(method, FITTED))
    for method in trained():
        form, named = facts()[method].form, facts()[method].references
        beside = (
            TRAINED if form == Form.INDEX else {name: _definition(named, name) for name in named}
        )
        schema["$defs"].setdefault(method, _of_code(method, beside))
    for method in rankers():
        schema["$defs"].setdefault(method, _of_code(method, {}))
    methods = list(facts())
    if missing := [method for method in methods if method not in schema["$defs"]]:
        where = f"src/jointir/methods/{missing[0].replace('-', '_')}.py"
        remedy = "Give it what makes its index, or a section in $defs of params.schema.yaml"
        raise InputError(where, "it has `FACTS`, and nothing says what an entry has", remedy)
    of_system = schema["properties"]["systems"]["additionalProperties"]
    of_system["properties"]["method"]["enum"] = methods
    of_system["allOf"] = [
        {
            "if": {"properties": {"method": {"const": method}}},
            "then": {"$ref": f"#/$defs/{method}"},
        }
        for method in methods
    ]


def _definition(references: dict[str, tuple[str, ...]], name: str) -> str:
    """Return the definition of a setting of an encoder that names another entry."""
    return "encoder_start" if name == "start" and PRETRAINED in references[name] else name


def _of_library(method: str) -> dict:
    """Return the definition of a method that a library builds."""
    found = _of_code(method, LIBRARY)
    optional = [name for name in found["optional"] if name not in LIBRARY]
    swept = [] if facts()[method].search_parameter else ["M"]
    return found | {"but_for": [], "optional": [*optional, *swept]}


def _of_code(method: str, beside: dict[str, str]) -> dict:
    """Return the definition of a method: what has a default may be left out.

    beside: of its own parameters the name of each one's definition.
    """
    kind = settings(method)
    known = [field.name for field in fields(kind) if field.default is not MISSING]
    head = {name: {"$ref": f"#/$defs/{other}"} for name, other in beside.items()}
    of_search = described(search_settings(method))
    if search_settings(method) is not kind and of_search:
        own = [name for name in described(kind) if name in of_search]  # the training's, too
        head["search"] = {
            "description": "how it ranks documents for a query",
            "searches": method,
            "but_for": own,
        }
    says = (module(method).__doc__ or method).partition("\n")[0].rstrip(".")
    about = {"description": says, "settings": method}
    about |= {"properties": {"method": {"const": method}} | head}
    optional = [*known, *(name for name in beside if name not in facts()[method].references)]
    elsewhere = [name for name in ("M", "batch_tokens") if hasattr(kind, name)]
    return about | {"but_for": elsewhere, "optional": optional}


def _filled(node: object) -> object:
    if isinstance(node, list):
        return [_filled(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: _filled(value) for key, value in node.items()}
    # the value of a parameter of such a name would be a schema, not text
    if any(isinstance(node.get(word), str) for word in WORDS):
        return _of_method(node)
    return node


def _of_method(node: dict) -> dict:
    """Return an object with the parameters that its method's settings are."""
    required, kind = "changes" not in node, search_settings if "searches" in node else settings
    told = described(kind(next(node.pop(word) for word in WORDS if word in node)))
    left_out, only = node.pop("but_for", ()), node.pop("only", told)
    optional = node.pop("optional", ())
    if unknown := {*left_out, *only} - set(told):
        raise KeyError(f"but_for or only names {sorted(unknown)}, not of {sorted(told)}")
    own = node.pop("properties", {})
    found = {
        name: narrowed(parameter(*said), own.get(name, {}))
        for name, said in told.items()
        if name in only and name not in left_out
    }
    properties = {name: own[name] for name in own if name not in found} | found
    whole = {"type": "object", "additionalProperties": False, "properties": properties}
    needed = [name for name in properties if name not in optional]
    return node | whole | ({"required": needed} if required else {})


def parameter(kind: type, option: Option) -> dict:
    """Return the schema of a field."""
    values = {"enum": list(option.among)} if option.among else {}
    bounds = {BOUNDS[name]: bound for name, bound in option.bounds()}
    if kind == list[float]:
        own = {"type": "array", "minItems": 1, "uniqueItems": True}
        return {"description": option.text, **own, "items": {"type": "number", **bounds}}
    values["type"] = TYPES[kind]  # 4.0 is among 8 and 4, and no option takes it
    return {"description": option.text, **values, **bounds}


def narrowed(of_field: dict, own: dict) -> dict:
    """Return the schema of a field with what a section says itself, whose bounds take the place."""
    wider = {WIDER[bound] for bound in own if bound in WIDER}
    return {key: value for key, value in of_field.items() if key not in wider} | own
