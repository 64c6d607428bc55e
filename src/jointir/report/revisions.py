"""Two revisions side by side: which params differ, which metrics differ, and how surely."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Annotated

import pandas as pd
import pyarrow as pa
import typer
import yaml

from jointir.basics.errors import InputError
from jointir.basics.numbers import as_number
from jointir.measure.results import VALUES as VALUE_COLUMNS
from jointir.measure.results import wide
from jointir.measure.two_runs import differing_metrics

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

WORKSPACE = "workspace"
VALUES = "data/*/measures/*/*/{split}.parquet"


@contextmanager
def open_revision(revision: str) -> "Iterator[AbstractFileSystem]":
    """Give the files of a git revision or a DVC experiment, or those of the workspace.

    What DVC tracks is read from its cache, so that nothing is checked out.

    Raises:
        InputError: there is no such revision, or this is no repository of git and DVC.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    try:
        files = DVCFileSystem(".", rev=None if revision == WORKSPACE else revision)
        files.info("dvc.yaml")  # it opens the revision when it is first asked for something
    except (DvcException, FileNotFoundError) as e:
        remedy = f"Name a commit, a branch, an experiment of `dvc exp show`, or {WORKSPACE!r}"
        raise InputError(revision, f"cannot be read here ({e})", remedy) from e
    with closing(files):
        yield files


def _leaves(tree: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def params_of(files: "AbstractFileSystem") -> dict[str, object]:
    """Return every parameter by its dotted name."""
    found: dict[str, object] = {}
    for path in sorted(files.glob("params/*.yaml")):
        try:
            with files.open(path) as f:
                leaves = dict(_leaves(yaml.safe_load(f) or {}))
        except (yaml.YAMLError, UnicodeDecodeError, AttributeError, RecursionError) as e:
            remedy = "Correct it, or compare another revision"
            raise InputError(path, f"is no YAML of params ({type(e).__name__})", remedy) from e
        found |= {name: as_number(value) for name, value in leaves.items()}
    return found


def _values(file: IO[bytes], path: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(file, columns=VALUE_COLUMNS)
    except (pa.ArrowException, OSError, ValueError, KeyError) as e:
        remedy = "Delete it and rerun the stage that writes it"
        raise InputError(path, f"pyarrow cannot read it ({type(e).__name__})", remedy) from e


def values_of(files: "AbstractFileSystem", split: str) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Return the per-query values of each (dataset, system, size): query_id by measure.

    A system is left out that was not measured there, or whose values DVC's cache does not hold.
    """
    found = {}
    for path in sorted(files.glob(VALUES.format(split=split))):
        _, dataset, _, system, size, _ = PurePosixPath(path).parts[-6:]
        with suppress(FileNotFoundError), files.open(path, "rb") as f:
            found[dataset, system, size] = wide(_values(f, path), path)
    return found


def differing_params(a: dict[str, object], b: dict[str, object]) -> pd.DataFrame:
    """Return param, A, B of every parameter that is not the same in both."""
    rows = [
        {"param": name, "A": a.get(name, "-"), "B": b.get(name, "-")}
        for name in sorted(a | b)
        if a.get(name, "-") != b.get(name, "-")
    ]
    return pd.DataFrame(rows, columns=["param", "A", "B"], dtype=object)  # an integer stays one


def _missing(a: dict, b: dict) -> Iterator[str]:
    for name, own, other in (("A", a, b), ("B", b, a)):
        alone = pd.Series(["/".join(key[:2]) for key in set(own) - set(other)], dtype=str)
        for system, n in alone.value_counts().sort_index().items():
            yield f"only {name} holds {system}: {n} setting{'s' if n > 1 else ''}"


def compare(
    a: Annotated[str, typer.Argument(help="git revision, DVC experiment, or workspace")],
    b: Annotated[str, typer.Argument(help="what is compared with it")] = WORKSPACE,
    split: str = "test",
) -> None:
    """Print which params differ between two revisions or experiments, and which metrics.

    p_holm: two-tailed paired t-test over queries, Holm-corrected over the printed rows.

    Raises:
        InputError: a revision cannot be read, or has no values of this split.
    """
    settings, values = [], []
    for revision in (a, b):
        with open_revision(revision) as files:
            settings.append(params_of(files))
            values.append(values_of(files, split))
    params = differing_params(*settings)
    for revision, found in zip((a, b), values, strict=True):
        if not found:
            remedy = "Run `dvc fetch`, or `dvc repro report` there, or choose another split"
            raise InputError(revision, f"holds no values of the split {split!r}", remedy)
    metrics = differing_metrics(*values)
    print(f"A: {a}\nB: {b}\n")
    print(params.to_string(index=False) if len(params) else "no param differs", end="\n\n")
    numbers = {name: "{:.4f}".format for name in ("A", "B")} | {"difference": "{:+.4f}".format}
    numbers["p_holm"] = "{:.2g}".format
    shown = metrics.to_string(index=False, formatters=numbers)
    print(shown if len(metrics) else f"no metric of the {split} split differs")
    for line in _missing(*values):
        print(line)
