"""The params as the rules read them: numbers are numbers, paths are whole, mistakes are refused."""

from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from jointir.data.packages import check_packages
from jointir.encode.source import folder_of
from jointir.errors import InputError
from jointir.measure.names import canonicals, check_depth
from jointir.numbers import as_number

NUMBERS = ("number", "integer")
FOLDERS, FILES = ("folder",), ("requirements", "archives", "groups")  # paths that a dataset names


def prepare(config: dict, schema: Path) -> None:
    """Change `config` in place to what was meant, and refuse what cannot be.

    Raises:
        WorkflowError: it names the parameter, its value and the remedy.
    """
    _read_numbers(config, schema)
    validate(config, str(schema), set_default=False)
    _check_names(config)
    for name in sorted({*config["figure4"]["datasets"], config["asi"]["dataset"]}):
        _complete_paths(f"datasets.{name}", config["datasets"][name])
        _check_measures(name, config)
    config["encoder"]["checkpoint"] = _encoder(config["encoder"]["checkpoint"])


def _read_numbers(config: dict, schema: Path) -> None:
    """Make text a number where the schema wants one and JSON would read one."""
    known = yaml.CSafeLoader(schema.read_text()).get_single_data()  # safe, and in C
    for error in list(Draft202012Validator(known).iter_errors(config)):
        if error.validator == "type" and error.validator_value in NUMBERS:
            *parents, last = error.absolute_path
            part = config
            for key in parents:
                part = part[key]
            part[last] = as_number(part[last])


def _refuse(where: str, found: str, remedy: str) -> None:
    raise WorkflowError(str(InputError(where, found, remedy)))


def _check_names(config: dict) -> None:
    """Refuse the name of a dataset or a variant that is described nowhere."""
    named = [("figure4.datasets", name, "datasets") for name in config["figure4"]["datasets"]]
    named.append(("asi.dataset", config["asi"]["dataset"], "datasets"))
    for where, name, home in named:
        if name not in config[home]:
            remedy = f"Describe it there, or choose of {sorted(config[home])}"
            _refuse(where, f"{name!r} is not under `{home}`", remedy)
    for section in ("ablation", "asi"):
        variants = config[section]["variants"]
        for name in config[section]["run"]:
            if name not in variants:
                remedy = f"Describe it there, or choose of {sorted(variants)}"
                _refuse(f"{section}.run", f"{name!r} is not under {section}.variants", remedy)


def _complete_paths(where: str, dataset: dict) -> None:
    """Expand ~ in the paths of a dataset, and refuse those that are not there."""
    for key in (*FOLDERS, *FILES):
        if not dataset.get(key):  # "" is none
            continue
        path = Path(dataset[key]).expanduser()
        kind = "folder" if key in FOLDERS else "file"
        if not (path.is_dir() if key in FOLDERS else path.is_file()):
            _refuse(f"{where}.{key}", f"there is no {kind} {str(path)!r}", "Correct the path")
        dataset[key] = str(path)
    if dataset.get("groups"):
        try:
            check_packages(Path(dataset["groups"]), Path(dataset["requirements"]))
        except InputError as e:
            raise WorkflowError(f"{where}.groups: {e}") from e


def _check_measures(name: str, config: dict) -> None:
    """Refuse measures that nothing here computes, that are named twice, or look below rank k."""
    own = config["datasets"][name]
    where = f"datasets.{name}" if "measures" in own else "measure"
    given = own.get("measures", config["measure"]["measures"])
    for names in given.values() if isinstance(given, dict) else [given]:
        try:
            found = canonicals(names, f"{where}.measures")
            check_depth(found, config["retrieve"]["k"], f"{where}.measures")
        except InputError as e:
            raise WorkflowError(str(e)) from e


def _encoder(checkpoint: str) -> str:
    """Return the checkpoint with ~ expanded; refuse a path or a package that is not there."""
    try:
        folder = folder_of(checkpoint)
    except InputError as e:
        raise WorkflowError(str(e)) from e
    return checkpoint if folder is None or ":" in checkpoint else str(folder)
