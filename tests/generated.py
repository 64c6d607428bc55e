"""Files of generative systems and of those beside them whose every number is known."""

from pathlib import Path

import pandas as pd

from jointir.basics.files import write_json
from jointir.measure.asi_results import asi_results

NAMES = ["MRR@10", "R@1", "R@5", "R@10"]  # as tables call them
MEASURES = ["RR@10", "R@1", "R@5", "R@10"]
QUERIES = ("q1", "q2")


def trainings(folder: Path) -> dict[str, list]:
    """Write three systems with two seeds, in folders SYSTEM-SEED; return options of `asi_results`.

    Expectation of seed s of system k is k/10 + s/100, the other reading .1 more, and the hybrid .5.
    """
    files: dict[str, list] = {"ids": [], "meta": [], "per_query": [], "vocabulary": []}
    for k, system in enumerate(["asi", "asi++", "asi++-pq"], 1):
        for seed in (1, 2):
            own = folder / f"{system}-{seed}"
            own.mkdir()
            ids = pd.DataFrame({"doc_id": ["a", "b"], "id_1": [0, 0], "id_2": [1, k % 2]})
            ids.to_parquet(own / "ids.parquet")
            facts = {"dataset": "d", "system": system, "seed": seed, "parameters": 1234567}
            facts["beam"] = {"free": 10, "hybrid": 50}
            facts["ms_per_query"] = {"free": 2.5, "hybrid": 9}
            parts = {"model": 5_000_000, "identifiers": 40_000, "embeddings": 0}
            facts["bytes"] = {"free": parts, "hybrid": parts | {"embeddings": 1_000_000}}
            write_json(own / "meta.json", facts)
            _values(k / 10 + seed / 100).to_parquet(own / "values.parquet")
            for key, name in (("ids", "ids"), ("per_query", "values")):
                files[key].append(own / f"{name}.parquet")
            files["meta"].append(own / "meta.json")
            files["vocabulary"].append(4)
    return files


def _values(value: float) -> pd.DataFrame:
    readings = {
        ("free", "correct id"): 0.1,
        ("free", "expectation"): 0,
        ("hybrid", "documents"): 0.5,
    }
    rows = [
        ("test", decoding, q, f"{m} {reading}", value + more)
        for q in QUERIES
        for m in MEASURES
        for (decoding, reading), more in readings.items()
    ]
    rows += [("test", "free", q, "documents a query", 12.0) for q in QUERIES]
    rows += [("test", "hybrid", q, "R@100 documents", 0.9) for q in QUERIES]
    return pd.DataFrame(rows, columns=["split", "decoding", "query_id", "measure", "value"])


def baselines(folder: Path) -> dict[str, list]:
    """Write values and facts of BM25 and of a dense system, and the encoder of the latter."""
    measures, facts = [], []
    for system, setting, dim in (("bm25", "k1=1.2", 0), ("brute-force", "", 384)):
        own = folder / system
        own.mkdir()
        rows = [(q, m, 0.5) for q in QUERIES for m in MEASURES]
        values = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
        values.to_parquet(own / "test.parquet")
        about = {"dataset": "d", "system": system, "setting": setting, "seed": 0}
        about |= {"bytes_per_doc": 1536, "n_docs": 2, "dim": dim}
        about["bytes"] = {"codes": 3_000_000, "other": 72_000}
        write_json(own / "meta.json", about)
        measures.append(own / "test.parquet")
        facts.append(own / "meta.json")
    (folder / "encoder").mkdir()
    (folder / "encoder" / "model.safetensors").write_bytes(bytes(4_500_000))
    encoder = [f"brute-force={folder / 'encoder'}"]
    return {"baseline": measures, "baseline_meta": facts, "encoder": encoder}


def tables(folder: Path, with_baselines: bool = True) -> dict[str, Path]:
    """Return the files of `asi_results` by the names by which reports take them."""
    names = {"results": "out", "comparisons": "out_comparisons", "numbers": "out_numbers"}
    found = {name: folder / f"{name}.csv" for name in names}
    beside = baselines(folder) if with_baselines else {}
    asi_results(**trainings(folder), **beside, **{names[n]: path for n, path in found.items()})
    return found
