"""The `asi-results` stage: one tidy table of every number about generative retrieval."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.errors import InputError
from jointir.files import atomic, read_json
from jointir.generative.ids import read_ids
from jointir.measure.expectation import VALUES
from jointir.measure.significance import bootstrap_interval, means
from jointir.readers import read_parquet

COLUMNS = ["dataset", "split", "system", "setting", "seed", "measure", "value", "low", "high"]


def id_statistics(ids: np.ndarray, V: int) -> dict[str, float]:
    """Return how int64[N, L] identifiers use the space of V^L.

    Entropy is in bits, of each position's tokens over all documents; perplexity is 2 to its power,
    V at most. "alone" is the share of documents whose identifier is no other's.
    """
    N, L = ids.shape
    _, counts = np.unique(ids, axis=0, return_counts=True)
    found = {
        "unique ids": float(len(counts)),
        "documents an id, mean": N / len(counts),
        "documents an id, max": float(counts.max()),
        "alone": float((counts == 1).sum() / N),
        "empty share": 1 - len(counts) / float(V) ** L,
    }
    for i in range(L):
        p = np.bincount(ids[:, i], minlength=V) / N
        entropy = float(-(p[p > 0] * np.log2(p[p > 0])).sum())
        found |= {f"entropy {i + 1}": entropy, f"perplexity {i + 1}": 2**entropy}
    return found


def asi_results(
    ids: list[Path],
    meta: list[Path],
    per_query: list[Path],
    out: Path,
    vocabulary: list[int],
    samples: int = 1000,
    seed: int = 1,
) -> None:
    """Write every number about generative retrieval as CSV (COLUMNS); a setting is a decoding.

    ids, meta, per_query: aligned, one entry for each training: files of `assign-ids`, `generate`
    and `measure-ids`. vocabulary: V of each, 0 for as many tokens as its identifiers have. low,
    high: bootstrap 95% over queries. Numbers about the identifiers have no split and no interval.

    Raises:
        InputError: the lists are not of one length.
    """
    if not len(ids) == len(meta) == len(per_query) == len(vocabulary):
        found = f"{len(ids)} ids, {len(meta)} meta and {len(per_query)} per-query files"
        found += f" and {len(vocabulary)} vocabularies"
        raise InputError("asi-results", found, "Name these of each run")
    rows: list[tuple] = []
    for id_file, meta_file, values_file, V in zip(ids, meta, per_query, vocabulary, strict=True):
        facts = _read_facts(meta_file)
        dataset, system, seed_of_run = (facts[key] for key in ("dataset", "system", "seed"))
        codes = read_ids(id_file)[1]
        about = id_statistics(codes, V or int(codes.max()) + 1)
        about["parameters"] = facts["parameters"]
        values = read_parquet(values_file, VALUES)
        for decoding, own in _of_decodings(facts).items():
            run = (dataset, "", system, decoding, seed_of_run)
            rows += [(*run, name, value, "", "") for name, value in (about | own).items()]
        for (decoding, split), own in values.groupby(["decoding", "split"]):
            run = (dataset, split, system, decoding, seed_of_run)
            rows += [(*run, *row) for row in intervals(own, samples, seed)]
    with atomic(out) as scratch:
        table = pd.DataFrame(rows, columns=COLUMNS)
        table.to_csv(scratch, index=False, float_format="%.10g")


def _read_facts(path: Path) -> dict:
    facts = read_json(path)
    kinds = {"dataset": str, "system": str, "seed": int, "parameters": int}
    kinds |= dict.fromkeys(("beam", "bytes", "ms_per_query"), dict)
    for key, kind in kinds.items():
        if not isinstance(facts.get(key), kind):
            found = f"{key!r} is {facts.get(key)!r}"
            raise InputError(path, found, "Rerun the stage that wrote it")
    return facts


def _of_decodings(facts: dict) -> dict[str, dict[str, float]]:
    """Return of each decoding its beam, the bytes of each part of it, and its time."""
    return {
        decoding: {"beam": facts["beam"][decoding], "ms a query": ms}
        | {f"{part} bytes": size for part, size in facts["bytes"][decoding].items()}
        for decoding, ms in facts["ms_per_query"].items()
    }


def intervals(values: pd.DataFrame, samples: int, seed: int) -> list[tuple]:
    """Return (measure, mean, low, high) of query_id, measure, value."""
    wide = values.pivot(index="query_id", columns="measure", values="value")
    low, high = bootstrap_interval(wide.to_numpy(), samples, seed)
    return list(zip(wide, means(wide.to_numpy()), low, high, strict=True))
