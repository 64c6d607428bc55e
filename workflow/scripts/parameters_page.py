"""Keep docs/parameters.md in step with the schema of the params and the values in params/*.yaml.

python workflow/scripts/parameters_page.py write, or check, which exits with 1 where it is stale.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parents[2]))
from workflow.scripts.schema import load

PAGE, SCHEMA = Path("docs/parameters.md"), Path("workflow/schemas/params.schema.yaml")
HEAD = f"""<!-- Written by `python workflow/scripts/parameters_page.py write`: do not edit. -->

# Parameters

Every parameter with its type and bounds, its default and its meaning, from `params/*.yaml` and
[the schema](../{SCHEMA}). [data.md](data.md#overlays) tells how to
change them. `NAME` stands for any name that you choose.
"""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return f"`{text.strip().removesuffix('...').strip()}`"


def whole(node: dict, schema: dict) -> dict:
    """Return a node of the schema with what it refers to; what it says itself comes first."""
    own = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
    return own | node | {"properties": own.get("properties", {}) | node.get("properties", {})}


def kind(node: dict, schema: dict) -> str:
    """Return the type of a parameter and its bounds."""
    node = whole(node, schema)
    types = node.get("type", [])
    words = [" or ".join(types) if isinstance(types, list) else types]
    if types == "array":
        words = [f"list of {kind(node['items'], schema)}"]
    elif node.get("additionalProperties"):
        words = [f"by name: {kind(node['additionalProperties'], schema)}"]
    elif "enum" in node:
        words = ["one of " + ", ".join(f"`{value}`" for value in node["enum"])]
    bounds = BOUNDS | {"pattern": "like"}
    words += [f"{word} {flow(node[key])}" for key, word in bounds.items() if key in node]
    choices = node.get("anyOf", []) + node.get("oneOf", [])
    return ", ".join(filter(None, [*words, " or ".join(kind(one, schema) for one in choices)]))


def changed(inner: dict, node: dict) -> dict:
    """Return a node of the schema without the parameters that are told where it changes them."""
    told, own = node["properties"], inner.get("properties", {})
    return inner | {"properties": {k: v for k, v in own.items() if v != told.get(k)}}


def rows(path: str, node: dict, schema: dict, values: dict) -> Iterator[tuple[str, ...]]:
    """Yield path, type, default and meaning of each parameter of a node; values: the defaults."""
    for name, child in node.get("properties", {}).items():
        own, at = whole(child, schema), f"{path}.{name}".strip(".")
        inner = changed(own.get("additionalProperties") or {}, node)
        default = "required" if name in node.get("required", []) else "optional"
        words = (kind(child, schema), flow(values[name]) if name in values else default)
        if own["properties"] or inner.get("properties"):  # a group, whose parameters follow
            words = ("", "")
        if "const" not in own:  # of datasets, told before their table
            yield f"`{at}`", *words, own["description"]
        yield from rows(at, own, schema, values.get(name, {}))
        yield from rows(f"{at}.NAME", inner, schema, {})  # without what it refers to
        if inner.get("properties"):
            yield from ((f"`{at}.{n}`", "", flow(v), "") for n, v in values.get(name, {}).items())


def table(lines: Iterable[tuple[str, ...]]) -> str:
    """Return a table of Markdown."""
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    shown = [["parameter", "type and bounds", "default", "meaning"], ["---"] * 4, *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in shown)


def page() -> str:
    """Return the page for the params and the schema of this folder."""
    schema, text = load(SCHEMA), [HEAD]
    files = {path: yaml.safe_load(path.read_text()) for path in Path("params").glob("*.yaml")}
    for section, node in schema["properties"].items():
        ((path, values),) = ((path, own) for path, own in files.items() if section in own)
        text.append(f"## {section}\n\nIn [{path}](../{path}).\n")
        text.append(table(rows("", {"properties": {section: node}}, schema, values)))
        for each in (node.get("additionalProperties") or {}).get("allOf", []):
            one = whole(each["then"], schema)
            named = ((k, p["const"]) for k, p in one["properties"].items() if "const" in p)
            (key, value) = next(named)  # the kind of a dataset, the method of a system
            text.append(f"`{key}: {value}`: {one['description']}.\n")
            text.append(table(rows(f"{section}.NAME", one, schema, {})))
    return "\n".join(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        PAGE.write_text(page(), encoding="utf-8")
    elif sys.argv[1:] != ["check"] or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{__doc__}\n{PAGE} is stale" if "check" in sys.argv else __doc__)
