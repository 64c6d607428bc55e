"""The corpus stage: any source becomes one dataset folder."""

from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.basics.progress import say
from jointir.data.dataset import Choices, Dataset, write_dataset
from jointir.data.splits import read_dev
from jointir.data.store import SPLITS, content_hash, count_documents, read_queries


def _check_splits(source: Dataset, where: Path | str, choices: Choices) -> None:
    """Raise InputError for a split that the pipeline needs and that is not there, or twice."""
    present = set(source.qrels["split"])
    if "dev" in present and choices.dev:
        found = f"it has a dev split, and splits.dev asks for {choices.dev:g} of train"
        raise InputError(where, found, "Drop one of the two")
    missing = [s for s in SPLITS if s not in present and not (s == "dev" and choices.dev)]
    if missing:
        remedy = "Add its judgements: trainings need train, settings dev, results test"
        if missing == ["dev"]:
            remedy = "Add one, or set `splits: {dev: 0.1}` to take a tenth of train's queries"
        raise InputError(where, f"there is no {missing[0]} split", remedy)


def build_collection(
    source: Dataset, out: Path, where: Path | str, sha256: str, choices: Choices
) -> None:
    _check_splits(source, where, choices)
    with atomic(out) as scratch:
        write_dataset(source, scratch, where, choices)
        found = content_hash(scratch)
        if sha256 and found != sha256:
            remedy = f"Set `sha256: {found}` in params if the change is meant"
            raise InputError(where, f"the built corpus is {found}, {sha256} was pinned", remedy)
    counts = read_queries(out)["split"].value_counts().to_dict()
    say(f"{out}: {count_documents(out)} documents, queries {counts}, content {found}")


def corpus_apidocs(
    wheels: Path,
    out: Path,
    documents: int,
    dev: int,
    test: int,
    seed: int,
    sha256: str = "",
    drop_identical_ids: bool = False,
    by_package: bool = False,
) -> None:
    """Build the `apidocs` dataset from downloaded wheels; its content must hash to `sha256`.

    by_package: dev's and test's queries are of packages that have no train query.
    """
    from jointir.data.apidocs import read_apidocs

    source = read_apidocs(wheels, documents, dev, test, seed, by_package)
    build_collection(source, out, wheels, sha256, Choices(drop_identical_ids))


def corpus_medquad(
    source: Path,
    out: Path,
    dev: int,
    seed: int,
    sha256: str = "",
    drop_identical_ids: bool = False,
) -> None:
    """Build the `medquad` dataset from its unpacked archives; its content must hash to `sha256`."""
    from jointir.data.medquad import read_medquad

    build_collection(
        read_medquad(source, dev, seed), out, source, sha256, Choices(drop_identical_ids)
    )


def corpus_beir(
    folder: Path,
    out: Path,
    sha256: str = "",
    drop_identical_ids: bool = False,
    dev: str = "0",
    seed: int = 13,
) -> None:
    """Convert a BEIR folder (corpus.jsonl, queries.jsonl, qrels/*.tsv) to a dataset.

    dev: of a folder without dev queries, the share (0.1) or the number (1, 500) of train's that
    become dev, drawn by a hash of `seed` and id. drop_identical_ids: queries are documents, and
    no answers to themselves.
    """
    from jointir.data.beir import read_beir

    choices = Choices(drop_identical_ids, read_dev(dev), seed)
    build_collection(read_beir(folder), out, folder, sha256, choices)


def corpus_ir_datasets(
    corpus_id: str,
    train: str,
    dev: str,
    test: str,
    out: Path,
    sha256: str = "",
    drop_identical_ids: bool = False,
    seed: int = 13,
) -> None:
    """Convert ir_datasets ids, one or several joined with `+` a split, to a dataset.

    dev: a number in place of an id is the share or the number of train's queries that become dev,
    drawn by a hash of `seed` and id. drop_identical_ids: as for `corpus-beir`.
    """
    from jointir.data.irds import read_ir_datasets

    splits = {"train": train, "dev": dev, "test": test}
    number = read_dev(dev) if _is_number(dev) else 0
    if number:
        del splits["dev"]
    source = read_ir_datasets(corpus_id, {s: i for s, i in splits.items() if i})
    build_collection(source, out, corpus_id, sha256, Choices(drop_identical_ids, number, seed))


def _is_number(dev: str) -> bool:
    """Tell a number that stands in place of an id."""
    try:
        float(dev)
    except ValueError:
        return False
    return True
