"""Two runs compared, or all runs of two revisions: outside of the families of a report."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.data.measures import reported
from jointir.errors import InputError
from jointir.files import write_json
from jointir.measure.comparisons import tested
from jointir.measure.results import read_values
from jointir.measure.significance import holm


def compare_runs(a: Path, b: Path, out: Path, a_name: str, b_name: str) -> None:
    """Write the paired comparison of two per-query files: means, difference, p, by measure.

    The main measure comes first. p is that of a two-tailed paired t-test, without a correction: it
    is one comparison.

    Raises:
        InputError: the files hold different queries or measures.
    """
    tables = [read_values(path) for path in (a, b)]
    if not tables[0].index.equals(tables[1].index) or list(tables[0]) != list(tables[1]):
        found = f"its queries or measures differ from those of {a}"
        raise InputError(b, found, "Measure both runs with the same qrels and measures")
    by_measure = {}
    for name in tables[0]:
        x, y = (table[name].to_numpy() for table in tables)  # (Q,), (Q,)
        difference, p = tested(x, y)
        by_measure[reported(name)] = {
            a_name: round(float(x.mean()), 6),
            b_name: round(float(y.mean()), 6),
            "difference": round(difference, 6),
            "p": float(f"{p:.3g}"),
        }
    found = {"a": a_name, "b": b_name, "n_queries": len(tables[0]), "measures": by_measure}
    write_json(out, found)


def differing_metrics(
    a: dict[tuple[str, str, str], pd.DataFrame], b: dict[tuple[str, str, str], pd.DataFrame]
) -> pd.DataFrame:
    """Return one row for each system, setting and measure whose values differ for any query.

    Columns: dataset, system, setting, measure, A, B, difference (B - A), p_holm: of a two-tailed
    paired t-test, Holm-corrected over all rows.

    Raises:
        InputError: a system was measured on other queries.
    """
    rows, p = [], []
    for key in sorted(set(a) & set(b)):
        x, y = a[key], b[key]
        if not x.index.equals(y.index):
            raise InputError(
                "/".join(key), "A and B have other queries", "Compare one split of one corpus"
            )
        for measure in [m for m in x if m in y]:
            before, after = x[measure].to_numpy(), y[measure].to_numpy()
            if (before != after).any():
                about = dict(zip(("dataset", "system", "setting"), key, strict=True))
                about |= {"measure": reported(measure), "A": before.mean(), "B": after.mean()}
                difference, own = tested(after, before)
                rows.append(about | {"difference": difference})
                p.append(own)
    columns = ["dataset", "system", "setting", "measure", "A", "B", "difference"]
    return pd.DataFrame(rows, columns=columns).assign(p_holm=holm(np.array(p)))
