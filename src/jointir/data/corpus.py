"""The corpus stage: any source becomes one dataset folder."""

from pathlib import Path

from jointir.data.dataset import Dataset, write_dataset
from jointir.data.store import content_hash, count_documents, read_queries
from jointir.errors import InputError
from jointir.files import atomic
from jointir.progress import say


def _build(source: Dataset, out: Path, where: Path | str, sha256: str) -> None:
    with atomic(out) as scratch:
        write_dataset(source, scratch, where)
        found = content_hash(scratch)
        if sha256 and found != sha256:
            remedy = f"Set `sha256: {found}` in params if the change is meant"
            raise InputError(where, f"the built corpus is {found}, {sha256} was pinned", remedy)
    counts = read_queries(out)["split"].value_counts().to_dict()
    say(f"{out}: {count_documents(out)} documents, queries {counts}, content {found}")


def corpus_apidocs(
    wheels: Path, out: Path, documents: int, dev: int, test: int, seed: int, sha256: str = ""
) -> None:
    """Build the `apidocs` dataset from downloaded wheels; its content must hash to `sha256`."""
    from jointir.data.apidocs import read_apidocs

    _build(read_apidocs(wheels, documents, dev, test, seed), out, wheels, sha256)


def corpus_medquad(source: Path, out: Path, dev: int, seed: int, sha256: str = "") -> None:
    """Build the `medquad` dataset from its unpacked archives; its content must hash to `sha256`."""
    from jointir.data.medquad import read_medquad

    _build(read_medquad(source, dev, seed), out, source, sha256)


def corpus_beir(folder: Path, out: Path, sha256: str = "") -> None:
    """Convert a BEIR folder (corpus.jsonl, queries.jsonl, qrels/*.tsv) to a dataset."""
    from jointir.data.beir import read_beir

    _build(read_beir(folder), out, folder, sha256)


def corpus_ir_datasets(
    corpus_id: str, train: str, dev: str, test: str, out: Path, sha256: str = ""
) -> None:
    """Convert ir_datasets ids, one or several joined with `+` a split, to a dataset."""
    from jointir.data.irds import read_ir_datasets

    splits = {"train": train, "dev": dev, "test": test}
    source = read_ir_datasets(corpus_id, {s: i for s, i in splits.items() if i})
    _build(source, out, corpus_id, sha256)
