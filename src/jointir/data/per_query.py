"""How good a ranking is, query by query, with ir-measures."""

from collections.abc import Iterable

import pandas as pd

from jointir.basics.errors import InputError
from jointir.data.measures import canonicals, parse

GDEVAL_GRADE = 4  # the highest that gdeval.pl takes


def by_position(run: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the run with scores n, n-1, ..., 1 in its own order; ties keep the order of the file.

    A run of ours has no ties; one from elsewhere may, and ir-measures' providers would disagree.
    Compat takes a document that was not found for one of score 0: no score may be below.
    """
    return {
        query: {
            doc: float(len(scores) - rank)
            for rank, doc in enumerate(sorted(scores, key=scores.__getitem__, reverse=True))
        }
        for query, scores in run.items()
    }


def _check_grades(measures: Iterable, qrels: pd.DataFrame, where: object) -> None:
    """Refuse grades that gdeval.pl, which computes some measures, ends at."""
    highest = qrels["relevance"].max()
    for measure in measures:
        by_gdeval = measure.NAME == "ERR" or measure.params.get("dcg") == "exp-log2"
        if by_gdeval and highest > GDEVAL_GRADE:
            row = qrels.loc[qrels["relevance"].idxmax()]
            found = f"query {row['query_id']!r} has the grade {highest}, and {measure} takes"
            found += f" grades up to {GDEVAL_GRADE}"
            raise InputError(where, found, "Map the grades to fewer, or drop the measure")


def _apart(measures: list) -> list[list]:
    """Return the measures in groups that one call of ir-measures computes correctly.

    Its pytrec_eval provider counts nDCG, NumRet and NumQ along with any other measure, which one
    depends on the order of a set. Where that one counts judged documents only, or maps the grades,
    theirs would, too. So each measure that does either is computed by itself.
    """
    alone = [m for m in measures if m.params.get("judged_only") or "gains" in m.params]
    together = [m for m in measures if m not in alone]
    return [group for group in [together, *([m] for m in alone)] if group]


def _computed(measures: list, qrels: dict, run: dict, where: object) -> list:
    """Return ir-measures' values of all measures.

    Raises:
        InputError: a provider fails; it names the first measure that fails by itself.
    """
    import ir_measures

    try:
        groups = _apart(measures)
        return [value for group in groups for value in ir_measures.iter_calc(group, qrels, run)]
    except Exception as e:  # what each provider raises is its own
        for one in measures if measures[1:] else []:
            _computed([one], qrels, run, where)
        names = ", ".join(map(str, measures))
        found = f"{names} cannot be computed ({type(e).__name__}: {str(e)[:120]})"
        remedy = "Check the judgements, install what ir-measures needs for it, or drop it"
        raise InputError(where, found, remedy) from e


def per_query(
    run: dict[str, dict[str, float]],
    qrels: pd.DataFrame,
    measures: list[str],
    where: object = "qrels",
) -> pd.DataFrame:
    """Return the columns query_id, measure, value, one row for each judged query and measure.

    Rows are in the order of `measures`, under ir-measures' own names. A judged query that the run
    does not hold, or that ir-measures gives no value, scores 0; a query without a judgement is
    left out. where: what an error names.

    Raises:
        InputError: a measure that is unknown, cannot be computed here or of these grades, or is
            given twice.
    """
    parsed = [parse(name) for name in canonicals(measures)]
    _check_grades(parsed, qrels, where)
    judged: dict[str, dict[str, int]] = {}
    for query, doc, grade in qrels.itertuples(index=False):
        judged.setdefault(query, {})[doc] = grade
    # gdeval, which computes ERR, takes numbers for queries only
    number = {query: str(n) for n, query in enumerate(sorted(judged), 1)}
    ranked = {number[q]: scores for q, scores in by_position(run).items() if q in number}
    graded = {number[q]: own for q, own in judged.items()}
    metrics = _computed(parsed, graded, ranked, where)
    found = {(metric.query_id, str(metric.measure)): float(metric.value) for metric in metrics}
    rows = [
        (query, str(measure), found.get((n, str(measure)), 0.0))
        for measure in parsed
        for query, n in number.items()
    ]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])
