"""Effectiveness of one run, query by query, with ir-measures."""

from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import atomic
from jointir.data.measures import canonicals
from jointir.data.per_query import per_query
from jointir.data.store import read_qrels
from jointir.data.trec import read_run


def measure(
    run: list[Path],
    qrels: list[Path],
    out: list[Path],
    measures: list[str],
    dev_measures: list[str] | None = None,
) -> None:
    """Measure each TREC run against its TREC qrels; write query_id, measure, value as parquet.

    run, qrels, out: in parallel. measures: ir-measures' names, the main one first. dev_measures: in
    their place for the file dev.parquet.

    Raises:
        InputError: an unknown measure, one that cannot be computed of these grades, a malformed run
            or qrels, a run without a judged query, or lists of different lengths.
    """
    if not len(run) == len(qrels) == len(out):
        found = f"{len(run)} runs, {len(qrels)} qrels, {len(out)} files to write"
        raise InputError("measure", found, "Give one of each for each split")
    wanted = {path: (path.stem == "dev" and dev_measures) or measures for path in out}
    for names in wanted.values():
        canonicals(names)
    for source, judged, target in zip(run, qrels, out, strict=True):
        ranked, judgements = read_run(source), read_qrels(judged)
        if not set(judgements["query_id"]) & set(ranked):
            found = f"no query of this run is judged in {judged}"
            raise InputError(source, found, "Measure the run of a split with that split's qrels")
        with atomic(target) as scratch:
            values = per_query(ranked, judgements, wanted[target], judged)
            values.to_parquet(scratch, index=False)
