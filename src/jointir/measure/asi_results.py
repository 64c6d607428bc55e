"""The `asi-results` stage: generative retrieval beside others, in tables like those of `results`.

A decoding is a setting, so that figures and tables read these rows as those of any system. In the
reading that counts, the expectation, a setting has the decoding's name alone; in the other it has
", correct id" behind it (expectation.py tells of both).
"""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, read_json
from jointir.basics.readers import read_parquet
from jointir.data.measures import reported
from jointir.generative.ids import read_ids
from jointir.measure import comparisons, results
from jointir.measure.expectation import VALUES
from jointir.measure.families import FAMILIES, Table
from jointir.measure.identifiers import id_statistics

MEASURES = ["RR@10", "R@1", "R@5", "R@10"]  # that every decoding has, and every baseline
DECODINGS = {"constrained": "prefix tree"}  # what tables call them, where not as `generate` does
CORRECT = ", correct id"
READINGS = {"correct id": CORRECT, "expectation": "", "documents": ""}
NUMBERS = ["dataset", "split", "system", "setting", "seed", "measure", "value"]
Loaded = tuple[pd.DataFrame, list[pd.Series]]  # as `results.load` has it


def asi_results(
    ids: list[Path],
    meta: list[Path],
    per_query: list[Path],
    out: Path,
    out_comparisons: Path,
    out_numbers: Path,
    vocabulary: list[int],
    baseline: list[Path] | None = None,
    baseline_meta: list[Path] | None = None,
    encoder: list[str] | None = None,
    samples: int = 1000,
    seed: int = 1,
) -> None:
    """Write the effectiveness of generative systems and of those beside them, and their numbers.

    Args:
        ids, meta, per_query, vocabulary: aligned, one entry for each training: files of
            `assign-ids`, `generate` and `measure-ids`, and V, the tokens that a position can have;
            0 for as many as the identifiers have.
        out: CSV of effectiveness, as `results` writes it.
        out_comparisons: CSV of p values, as `comparisons` writes it.
        out_numbers: CSV of what is no effectiveness (NUMBERS): of the identifiers, bytes,
            milliseconds, and what a decoding has beside MEASURES.
        baseline, baseline_meta: of systems that rank documents, as for `results`.
        encoder: "system=folder" of each of these that has an encoder.
        samples, seed: of the bootstrap.

    Raises:
        InputError: the lists are not of one length, an `encoder` is no pair or holds no weights, or
            what `results` refuses.
    """
    if not len(ids) == len(meta) == len(per_query) == len(vocabulary):
        found = f"{len(ids)} ids, {len(meta)} meta and {len(per_query)} per-query files"
        found += f" and {len(vocabulary)} vocabularies"
        raise InputError("asi-results", found, "Name these four of each run")
    trained = [_Trained(*of) for of in zip(ids, meta, per_query, vocabulary, strict=True)]
    numbers = [row for one in trained for row in one.numbers()]
    numbers += _of_baselines(baseline_meta or [], encoder or [])
    rows, values = _together(
        [one.rows() for one in trained]
        + ([results.load(baseline, baseline_meta or [])] if baseline else [])
    )
    table = results.tabulate(rows, values, samples, seed)
    compared = comparisons.compare_family(rows, values, FAMILIES["asi"], Table())
    results.write(table, out)
    comparisons.write(compared, out_comparisons)
    with atomic(out_numbers) as scratch:
        found = pd.DataFrame(numbers, columns=NUMBERS)
        found.to_csv(scratch, index=False, float_format="%.10g")


def _together(parts: list[Loaded]) -> Loaded:
    rows = pd.concat([rows for rows, _ in parts], ignore_index=True)
    results.check_once(rows)
    rows = rows.sort_values(results.ORDER)
    values = [column for _, values in parts for column in values]
    return rows.reset_index(drop=True), [values[i] for i in rows.index]


class _Trained:
    """One training's files, read."""

    def __init__(self, ids: Path, meta: Path, per_query: Path, vocabulary: int):
        self.file, self.facts = per_query, _read_facts(meta)
        documents, self.ids = read_ids(ids)
        self.N, self.V = len(documents), vocabulary or int(self.ids.max()) + 1
        self.values = read_parquet(per_query, VALUES)

    def _run(self, split: str, setting: str) -> tuple:
        return (self.facts["dataset"], split, self.facts["system"], setting, self.facts["seed"])

    def rows(self) -> Loaded:
        """Return its effectiveness as `results.load` returns that of others."""
        rows, values = [], []
        for (decoding, split), own in self.values.groupby(["decoding", "split"]):
            wide = own.pivot(index="query_id", columns="measure", values="value")
            for reading, behind in READINGS.items():
                run = self._run(split, DECODINGS.get(decoding, decoding) + behind)
                for rank, name in enumerate(MEASURES if f"R@1 {reading}" in wide else []):
                    about = (*run, self._bytes_per_doc(decoding), self.file, reported(name), rank)
                    rows.append(about)
                    values.append(wide[f"{name} {reading}"])
        columns = [*results.RUN, "file", "measure", "rank"]
        return pd.DataFrame(rows, columns=columns), values

    def _bytes_per_doc(self, decoding: str) -> float:
        sizes = self.facts["bytes"][decoding]
        return sum(size for part, size in sizes.items() if part != "model") / self.N

    def numbers(self) -> list[tuple]:
        """Return its rows of NUMBERS: of the identifiers without a setting, the others with one."""
        about = id_statistics(self.ids, self.V) | {"parameters": self.facts["parameters"]}
        found = [(*self._run("", ""), name, value) for name, value in about.items()]
        for decoding, ms in self.facts["ms_per_query"].items():
            run = self._run("", DECODINGS.get(decoding, decoding))
            own = {"beam": self.facts["beam"][decoding], "ms a query": ms}
            own |= {f"{part} bytes": n for part, n in self.facts["bytes"][decoding].items()}
            found += [(*run, name, value) for name, value in own.items()]
        effectiveness = {f"{m} {reading}" for m in MEASURES for reading in READINGS}
        more = self.values[~self.values["measure"].isin(effectiveness)]
        means = more.groupby(["decoding", "split", "measure"])["value"].mean()
        for (decoding, split, name), value in means.items():
            run = self._run(split, DECODINGS.get(decoding, decoding))
            found.append((*run, name.removesuffix(" documents"), value))
        return found


def _read_facts(path: Path) -> dict:
    facts = read_json(path)
    kinds = {"dataset": str, "system": str, "seed": int, "parameters": int}
    kinds |= dict.fromkeys(("beam", "bytes", "ms_per_query"), dict)
    for key, kind in kinds.items():
        if not isinstance(facts.get(key), kind):
            found = f"{key!r} is {facts.get(key)!r}"
            raise InputError(path, found, "Rerun the stage that wrote it")
    return facts


def _of_baselines(meta: list[Path], encoder: list[str]) -> list[tuple]:
    """Return the bytes of systems that rank documents, as rows of NUMBERS; `meta` may repeat."""
    folders = {}
    for told in encoder:
        system, is_pair, folder = told.partition("=")
        if not is_pair:
            raise InputError("--encoder", repr(told), "Write system=folder")
        folders[system] = Path(folder)
    found = []
    for facts in map(results.read_meta, dict.fromkeys(meta)):
        system = facts["system"]
        run = (facts["dataset"], "", system, facts["setting"], facts["seed"])
        found.append((*run, "index bytes", sum(facts["bytes"].values())))
        found += [(*run, name, value) for name, value in facts.get("numbers", {}).items()]
        if system in folders:
            found.append((*run, "model bytes", weights(folders[system])))
    return found


def weights(encoder: Path) -> int:
    """Return the bytes of an encoder's weights.

    Raises:
        InputError: the folder holds none.
    """
    files = sorted(encoder.rglob("*.safetensors"))
    if not files:
        raise InputError(encoder, "holds no weights (*.safetensors)", "Name an encoder's folder")
    return sum(path.stat().st_size for path in files)
