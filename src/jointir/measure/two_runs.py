"""All runs of two revisions compared: outside of the families of a report."""

import numpy as np
import pandas as pd

from jointir.basics.errors import InputError
from jointir.data.measures import reported
from jointir.measure.comparisons import tested
from jointir.measure.significance import holm


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
