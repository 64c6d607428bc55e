"""Effectiveness of one run, query by query, with ir-measures."""

from pathlib import Path

import pandas as pd

from jointir.data.store import read_qrels
from jointir.errors import InputError
from jointir.files import atomic
from jointir.measure.trec import read_run


def parse_measures(names: list[str]) -> list:
    """Return ir-measures' values for names such as "RR@10", "R@100", "nDCG@10".

    Raises:
        InputError: a name that ir-measures does not know, or cannot compute here.
    """
    import ir_measures

    measures = []
    for name in names:
        try:
            measure = ir_measures.parse_measure(name)
        except (NameError, ValueError) as e:
            remedy = "Use names such as RR@10, R@100, nDCG@10 (see ir-measur.es)"
            raise InputError("measures", f"unknown measure {name!r} ({e})", remedy) from e
        if not ir_measures.DefaultPipeline.supports(measure):
            remedy = "Install the ir-measures provider that computes it, or drop it"
            raise InputError("measures", f"measure {name!r} cannot be computed here", remedy)
        measures.append(measure)
    return measures


def by_position(run: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the run with scores -1, -2, ... in its own order; ties keep the order of the file.

    A run of ours has no ties; one from elsewhere may, and ir-measures' providers would disagree.
    """
    return {
        query: {
            doc: -float(rank)
            for rank, doc in enumerate(sorted(scores, key=scores.__getitem__, reverse=True), 1)
        }
        for query, scores in run.items()
    }


def per_query(
    run: dict[str, dict[str, float]], qrels: pd.DataFrame, measures: list[str]
) -> pd.DataFrame:
    """Return the columns query_id, measure, value, one row for each judged query and measure.

    A judged query that the run does not hold scores 0; a query without a judgement is left out.
    """
    import ir_measures

    parsed = parse_measures(measures)
    judged: dict[str, dict[str, int]] = {}
    for query, doc, grade in qrels.itertuples(index=False):
        judged.setdefault(query, {})[doc] = grade
    found = {
        (metric.query_id, str(metric.measure)): float(metric.value)
        for metric in ir_measures.iter_calc(parsed, judged, by_position(run))
    }
    rows = [
        (query, str(measure), found.get((query, str(measure)), 0.0))
        for measure in parsed
        for query in sorted(judged)
    ]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def measure(run: list[Path], qrels: list[Path], out: list[Path], measures: list[str]) -> None:
    """Measure each TREC run against its TREC qrels; write query_id, measure, value as parquet.

    run, qrels, out: in parallel.

    Raises:
        InputError: an unknown measure, a malformed run or qrels, a run without a judged query, or
            lists of different lengths.
    """
    if not len(run) == len(qrels) == len(out):
        found = f"{len(run)} runs, {len(qrels)} qrels, {len(out)} files to write"
        raise InputError("measure", found, "Give one of each for each split")
    for source, judged, target in zip(run, qrels, out, strict=True):
        ranked, judgements = read_run(source), read_qrels(judged)
        if not set(judgements["query_id"]) & set(ranked):
            found = f"no query of this run is judged in {judged}"
            raise InputError(source, found, "Measure the run of a split with that split's qrels")
        with atomic(target) as scratch:
            per_query(ranked, judgements, measures).to_parquet(scratch, index=False)
