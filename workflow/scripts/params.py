"""The params as the rules read them: numbers are numbers, paths are whole, mistakes are refused."""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from workflow.scripts import systems
from workflow.scripts.inputs import beir_files
from workflow.scripts.moved import check_moved
from workflow.scripts.schema import load
from workflow.scripts.systems import Systems

from jointir.basics.errors import InputError
from jointir.basics.numbers import as_number, check_finite
from jointir.data.measures import canonicals, check_depth
from jointir.data.packages import check_packages
from jointir.encode.source import folder_of
from jointir.methods.facts import Form

DATA = Path(__file__).parents[2] / "params" / "data.yaml"
NUMBERS = ("number", "integer")
FOLDERS = ("folder", "qrels")  # paths that a dataset names
FILES = ("requirements", "archives", "groups", "docs", "queries")
# of a dataset of vectors without judgements, whose relevant documents are the nearest ten
KEPT = ["R@10", "nDCG@10", "R@100"]
# to JSON 16.0 is an integer, to a file's name and to Python it is not
WHOLE = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
Validator = extend(Draft202012Validator, type_checker=WHOLE)


# what each report can show of `systems`
SHOWN = {
    "figure1": (Form.ENCODER, Form.EXACT, Form.RANKER, Form.INDEX, Form.LIBRARY),
    "figure4": (Form.ENCODER, Form.EXACT, Form.INDEX, Form.LIBRARY),
    "figure5": (Form.INDEX, Form.LIBRARY),
    "figure7": (Form.INDEX,),
    "asi": (Form.IDENTIFIERS,),
}
BESIDE = (Form.ENCODER, Form.EXACT, Form.RANKER)  # what `asi.baselines` can name


def prepare(config: dict, schema: Path) -> Systems:
    """Change `config` in place to what was meant, and return its systems.

    What means nothing ends with one line.
    """
    try:
        return _prepare(config, load(schema))
    except InputError as e:
        sys.exit(str(e))  # WorkflowError would put lines of the Snakefile around it


def _prepare(config: dict, schema: dict) -> Systems:
    _check_keys(config, "params")
    check_moved(config)
    found = _of_schema(config, schema)
    systems.check(found)
    _check_names(config, found)
    _check_run(config)
    for name in sorted({*config["figure4"]["datasets"], config["asi"]["dataset"]}):
        where, own = f"datasets.{name}", config["datasets"][name]
        _complete_paths(where, own, config)
        if own["kind"] == "vectors" and not own.get("qrels"):
            own.setdefault("measures", KEPT)
        if own.get("groups"):
            _check_groups(f"{where}.groups", own)
        for names, home in _measures(name, config):
            measured = canonicals(names, f"{home}.measures")
            check_depth(measured, config["retrieve"]["k"], f"{home}.measures")
    for name in ("encoder", "expand"):  # that of `expand` may be empty
        if given := config[name]["checkpoint"]:
            config[name]["checkpoint"] = _checkpoint(f"{name}.checkpoint", given, config)
    for name, own in config["systems"].items():
        if given := own.get("checkpoint"):
            own["checkpoint"] = _checkpoint(f"systems.{name}.checkpoint", given, config)
    return found


def _check_keys(tree: object, where: str) -> None:
    """Refuse a name that YAML does not read as text, such as on, yes or 5."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if not isinstance(key, str):
            found = f"the name {key!r} is no text"
            raise InputError(where, found, "Put it in quotes: YAML reads on, yes and 5 as others")
        _check_keys(value, key if where == "params" else f"{where}.{key}")


def _of_schema(config: dict, schema: dict) -> Systems:
    """Make numbers of text in `config`, refuse what the schema refuses, and return the systems.

    Systems are checked as they are resolved, and an error names the entry that it was written in.
    """
    known = _settings(schema)
    found = _resolved(config, known)
    validator = Validator(_by_name(schema, found))
    errors = list(validator.iter_errors(_whole_of(config, found)))
    if errors:
        for error in errors:
            _read_number(config, error, _written(error, found))
        found = _resolved(config, known)
        errors = list(validator.iter_errors(_whole_of(config, found)))
    check_finite(config)
    if errors:
        # of entries that are like one another, the one that the others took it from
        first = min(errors, key=lambda e: (_depth(e, found), list(map(str, e.path))))
        raise _told(first, _written(first, found), validator.schema)
    return found


def _settings(schema: dict) -> dict[str, set[str]]:
    """Return the names of the settings of each method."""
    methods = schema["properties"]["systems"]["additionalProperties"]["properties"]["method"]
    return {m: set(schema["$defs"][m]["properties"]) - {"method"} for m in methods["enum"]}


def _by_name(schema: dict, found: Systems) -> dict:
    """Return the schema with each system's method told by its name.

    It says the same as its list of methods, of which each would be tried for each system.
    """
    named = {name: {"$ref": f"#/$defs/{method}"} for name, method in found.methods.items()}
    of_systems = schema["properties"]["systems"] | {"properties": named}
    of_systems["additionalProperties"] = False
    return schema | {"properties": schema["properties"] | {"systems": of_systems}}


def _resolved(config: dict, known: dict[str, set[str]]) -> Systems:
    entries = config.get("systems", {})
    if not isinstance(entries, dict):
        raise InputError(
            "systems", f"{entries!r} is no mapping", "Describe each system by its name"
        )
    return Systems(entries, known)


def _whole_of(config: dict, found: Systems) -> dict:
    """Return the params with the systems as they are resolved."""
    return config | ({"systems": dict(found)} if "systems" in config else {})


def _depth(error: ValidationError, found: Systems) -> int:
    section, *rest = error.absolute_path or [""]
    return len(found.chains[rest[0]]) if section == "systems" and rest else 0


def _written(error: ValidationError, found: Systems) -> list:
    """Return the path of what an error is about, in the entry that it was written in."""
    path = list(error.absolute_path)
    if path[:1] != ["systems"] or len(path) < 2:
        return path
    about = path[2:]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        about = [*about, next(key for key in error.instance if key not in known)]
    origin = found.origin(path[1], *about)
    return ["systems", origin, *path[2:]]


def _read_number(config: dict, error: ValidationError, path: list) -> None:
    """Make text a number where the schema wants one and JSON would read one, 16.0 an integer."""
    if error.validator != "type" or error.validator_value not in NUMBERS:
        return
    *parents, last = path
    part = config
    for key in parents:
        part = part[key]
    value = as_number(part[last])
    whole = isinstance(value, float) and value.is_integer()
    part[last] = int(value) if whole and error.validator_value == "integer" else value


def _told(error: ValidationError, path: list, schema: dict) -> InputError:
    """Return what to tell of the first thing that the schema refuses, at a path."""
    where = ".".join(map(str, path)) or "params"
    found = error.message if len(error.message) < 200 else f"{error.message[:200]} ..."
    known = error.schema.get("properties")
    if error.validator == "additionalProperties" and known:
        remedy = f"Choose of {', '.join(sorted(known))}"
    else:
        remedy = f"What it is: {_description(error, schema)}"
    return InputError(where, found.splitlines()[0], remedy)


def _description(error: ValidationError, schema: dict) -> str:
    """Return the description that is nearest to what the error is about."""
    found, node = "", schema
    for key in error.absolute_schema_path:
        while isinstance(node, dict) and key not in node:  # the path does not tell of references
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
            found = node.get("description", found)
        node = node[key]
        if isinstance(node, dict):
            found = node.get("description", found)
    return found


def _check_names(config: dict, found: Systems) -> None:
    """Refuse the name of a dataset or a system that is described nowhere, or has no part in it."""
    named = [("figure4.datasets", name, "datasets") for name in config["figure4"]["datasets"]]
    named.append(("asi.dataset", config["asi"]["dataset"], "datasets"))
    named += [(f"{r}.systems", s, "systems") for r in SHOWN for s in config[r]["systems"]]
    named += [("asi.baselines", s, "systems") for s in config["asi"]["baselines"]]
    for where, name, home in named:
        if name not in config[home]:
            remedy = f"Describe it there, or choose of {sorted(config[home])}"
            raise InputError(where, f"{name!r} is not under `{home}`", remedy)
    if config["datasets"][config["asi"]["dataset"]]["kind"] == "vectors":
        said = f"{config['asi']['dataset']!r} is given as vectors, and ASI reads text"
        raise InputError("asi.dataset", said, "Name a dataset with text")
    shown = {f"{r}.systems": (config[r]["systems"], forms) for r, forms in SHOWN.items()}
    shown["asi.baselines"] = (config["asi"]["baselines"], BESIDE)
    for where, (names, forms) in shown.items():
        fits = found.of_method("jpq") if where == "figure7.systems" else found.of_form(*forms)
        for name in names:
            if name not in fits:
                said = f"{name!r} has the method {found.methods[name]!r}"
                raise InputError(where, said, f"Choose of {', '.join(fits)}")


def _check_run(config: dict) -> None:
    """Refuse datasets of an overlay of which none is run: the default corpus would be, unasked."""
    known = yaml.safe_load(DATA.read_text())["datasets"]
    own = [name for name in config["datasets"] if name not in known]
    if own and not {*config["figure4"]["datasets"], config["asi"]["dataset"]} & set(own):
        said = f"{own[0]!r} is described under `datasets`, but not run"
        raise InputError("figure4.datasets", said, f"Write figure4: {{datasets: [{own[0]}]}}")


def _complete_paths(where: str, dataset: dict, config: dict) -> None:
    """Expand ~ in the paths of a dataset, and refuse those that cannot be read."""
    for key in (*FOLDERS, *FILES):
        if not dataset.get(key):  # "" is none
            continue
        path = _whole(f"{where}.{key}", dataset[key], config)
        kind = "folder" if key in FOLDERS else "file"
        if not (path.is_dir() if key in FOLDERS else path.is_file()):
            raise InputError(f"{where}.{key}", f"there is no {kind} {str(path)!r}", "Correct it")
        dataset[key] = str(path)
        if key == "folder":
            _check_beir(f"{where}.{key}", path)


def _check_beir(where: str, folder: Path) -> None:
    """Refuse a folder that is no BEIR collection before the stage deletes what it made before."""
    held = {Path(path).name.removesuffix(".gz") for path in beir_files(str(folder))}
    for name in ("corpus.jsonl", "queries.jsonl"):
        if name not in held:
            raise InputError(where, f"{str(folder)!r} holds no {name}", "Name a BEIR folder")


def _check_groups(where: str, dataset: dict) -> None:
    try:
        check_packages(Path(dataset["groups"]), Path(dataset["requirements"]))
    except InputError as e:
        place, found, remedy = e.parts
        raise InputError(f"{where}: {place}", found, remedy) from e


def _whole(where: str, text: str, config: dict) -> Path:
    """Return a path with ~ expanded.

    Raises:
        InputError: there is no such user; or Snakemake or DVC could not use the path as an input.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError as e:
        raise InputError(where, f"{text!r} names a user that is not here", "Correct it") from e
    if {"{", "}"} & set(str(path)):
        found = f"{str(path)!r} holds a brace, which Snakemake takes for a wildcard"
        raise InputError(where, found, "Rename it, or make a link to it with another name")
    for name in config["datasets"]:
        made = Path("data", name).absolute()
        if made in (path.absolute(), *path.absolute().parents):
            found = f"{str(path)!r} is in {made}, which this pipeline writes"
            raise InputError(where, found, "Copy it to a folder elsewhere")
    return path


def _measures(name: str, config: dict) -> Iterator[tuple[list[str], str]]:
    """Yield the lists of measures of a dataset, and where each was named."""
    own = config["datasets"][name]
    home = f"datasets.{name}" if "measures" in own else "measure"
    given = own.get("measures", config["measure"]["measures"])
    for names in given.values() if isinstance(given, dict) else [given]:
        yield names, home


def _checkpoint(where: str, checkpoint: str, config: dict) -> str:
    """Return the checkpoint with ~ expanded; refuse a path or a package that is not there."""
    folder = folder_of(checkpoint, where)
    if folder is None or checkpoint.startswith("package:"):
        return checkpoint
    return str(_whole(where, checkpoint, config))
