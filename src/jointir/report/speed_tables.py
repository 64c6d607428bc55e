"""Tables 1 and 2 of JPQ on our data: effectiveness and size, and latency, of every system.

Source: Zhan et al., JPQ (CIKM 2021), tables 1 and 2.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jointir.data.measures import reported
from jointir.errors import InputError
from jointir.files import atomic
from jointir.measure.results import REFERENCE, read_meta, read_values
from jointir.measure.significance import holm, paired_p
from jointir.report.formats import latex, markdown, write_lines
from jointir.report.speed import RUN, chosen, joined, read_latency, searches
from jointir.report.tables import human, mark

LEGEND1 = (
    "Two-tailed paired t-test against JPQ's row, Holm-corrected over the rows of a measure: "
    "JPQ significantly better (\\*\\* p < 0.01, \\* p < 0.05) or worse († p < 0.05). The "
    "queries of the test split. A system with a sweep is shown at JPQ's bytes a document where it "
    "has them, otherwise at the setting that is best on dev of those as fast as JPQ (the fastest "
    "where none is). Index: all its bytes, codebooks and graphs included. Queries a second: one at "
    "a time on one thread, without encoding."
)
LEGEND2 = (
    "Milliseconds a query, median and 95th percentile, one at a time on one thread; encoding the "
    "query and searching told apart. Speed-up: of search, over brute force in the same run. "
    "Queries a second: in batches of {batch}, on one thread and on {threads}. Memory: resident, of "
    "a process that holds the index and searches, beyond its libraries. The machine is described "
    "in reports/machine/."
)


def per_query_values(per_query: list[Path], meta: list[Path]) -> dict[tuple, pd.DataFrame]:
    """Return {(dataset, system, setting): values[query_id, measure]} of parallel lists.

    Raises:
        InputError: lists of different lengths.
    """
    if len(per_query) != len(meta):
        found = f"{len(per_query)} per-query files but {len(meta)} meta files"
        raise InputError("table1", found, "Give one meta file for each per-query file")
    found = {}
    for file, about in zip(per_query, map(read_meta, meta), strict=True):
        found[tuple(about[key] for key in RUN)] = read_values(file).rename(columns=reported)
    return found


def measured(values: dict[tuple, pd.DataFrame], dataset: str) -> list[str]:
    """Return the measures of a dataset, in the params' order, from `per_query_values`."""
    return next(list(table) for key, table in values.items() if key[0] == dataset)


def significance(values: list[pd.DataFrame], reference: pd.DataFrame) -> pd.DataFrame:
    """Return p[system, measure] against the reference, Holm-corrected over the systems.

    The reference's own row is NaN.

    Raises:
        InputError: two systems were measured over different queries, or by different measures.
    """
    for own in values:
        if not own.index.equals(reference.index):
            raise InputError("table1", "runs over different queries", "Measure them alike")
        if list(own) != list(reference):
            found = f"runs with different measures, {list(own)} and {list(reference)}"
            raise InputError("table1", found, "Measure them alike")
    others = [i for i, own in enumerate(values) if own is not reference]
    p = pd.DataFrame(np.nan, index=range(len(values)), columns=list(reference))
    for measure in reference:
        raw = [paired_p(values[i][measure].to_numpy(), reference[measure]) for i in others]
        p.loc[others, measure] = holm(np.array(raw))
    return p


def rows_of_table1(
    rows: pd.DataFrame, values: dict[tuple, pd.DataFrame], total: dict[tuple, int], M: int
) -> pd.DataFrame:
    """Return the table as numbers: a system a row, its measures and their p."""
    parts = []
    speed = rows.drop_duplicates(RUN).set_index(RUN)[["bytes_per_doc", "qps"]]
    for _, own in chosen(rows, M).groupby("dataset"):
        keys = list(own.itertuples(index=False, name=None))
        reference = next(values[key] for key in keys if key[1] == REFERENCE)
        p = significance([values[key] for key in keys], reference)
        own = own.assign(index_bytes=[total[key] for key in keys]).reset_index(drop=True)
        own = own.join(speed, on=RUN)
        for measure in reference:
            own[measure] = [values[key][measure].mean() for key in keys]
            own[f"p_holm {measure}"] = p[measure]
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def _cells1(row: pd.Series, jpq: pd.Series, measures: list[str]) -> list[str]:
    cells = [human(row["system"]), row["setting"], f"{row['index_bytes'] / 1e6:.2f}"]
    for measure in measures:
        sign = mark(row[measure], jpq[measure], row[f"p_holm {measure}"])
        cells.append(f"{row[measure]:.3f}{sign}")
    return [*cells, f"{row['qps']:,.0f}"]


def table1(
    results: Path,
    latency: Path,
    per_query: list[Path],
    meta: list[Path],
    M: int,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write table 1 as CSV, Markdown and LaTeX: every system beside JPQ with M sub-quantizers.

    per_query, meta: in parallel, of the test split, for every system and setting in `results`.

    Raises:
        InputError: a system was not timed, JPQ was not run with M, or runs do not fit together.
    """
    values = per_query_values(per_query, meta)
    total = {tuple(m[key] for key in RUN): sum(m["bytes"].values()) for m in map(read_meta, meta)}
    table = rows_of_table1(joined(results, latency), values, total, M)
    lines, tex_lines = [], []
    for dataset, own in table.groupby("dataset"):
        jpq = own[own["system"].eq(REFERENCE)].iloc[0]
        measures = measured(values, dataset)
        cells = [_cells1(row, jpq, measures) for _, row in own.iterrows()]
        titles = ["system", "setting", "index MB", *measures, "queries/s"]
        lines += [f"### {dataset}, test", "", *markdown(titles, cells), ""]
        tex_lines += latex(titles, cells)
    with atomic(csv) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n", float_format="%.6g")
    write_lines([*lines, LEGEND1], md)
    write_lines(tex_lines, tex)


def rows_of_table2(rows: pd.DataFrame, latency: pd.DataFrame, M: int) -> pd.DataFrame:
    """Return the times of the settings that table 1 shows, a system a row."""
    batch, threads = latency["batch"].max(), latency["threads"].max()
    table = chosen(rows, M)
    one = latency[latency["threads"].eq(1) & latency["batch"].eq(1)].set_index(RUN)
    for stage, name in {"encode": "encode", "encode-gpu": "encode_gpu", "search": "search"}.items():
        own = one[one["stage"].eq(stage)][["median_ms", "p95_ms"]].add_prefix(f"{name}_")
        if len(own):
            table = table.join(own, on=RUN)
    for number, name in ((1, "qps_batch"), (threads, "qps_batch_all")):
        own = searches(latency, number, batch).set_index(RUN)["qps"].rename(name)
        table = table.join(own, on=RUN)
    table = table.join(searches(latency).set_index(RUN)["peak_mb"], on=RUN)
    exact = table[table["system"].eq("brute-force")].set_index("dataset")["search_median_ms"]
    table["speed_up"] = table["dataset"].map(exact) / table["search_median_ms"]
    return table


def table2(results: Path, latency: Path, M: int, csv: Path, md: Path, tex: Path) -> None:
    """Write table 2, latency, as CSV, Markdown and LaTeX, for the settings of table 1.

    Raises:
        InputError: a system was not timed, or JPQ was not run with M.
    """
    times = read_latency(latency)
    table = rows_of_table2(joined(results, latency), times, M)
    columns = {
        "encode_median_ms": ("encode ms", "{:.2f}"),
        "encode_gpu_median_ms": ("encode ms, GPU", "{:.2f}"),
        "search_median_ms": ("search ms", "{:.3f}"),
        "search_p95_ms": ("p95", "{:.3f}"),
        "speed_up": ("speed-up", "{:.1f}\u00d7"),
        "qps_batch": ("queries/s, batch", "{:,.0f}"),
        "qps_batch_all": ("all threads", "{:,.0f}"),
        "peak_mb": ("memory MB", "{:,.0f}"),
    }
    columns = {name: told for name, told in columns.items() if name in table}
    titles = ["system", "setting", *(title for title, _ in columns.values())]
    lines, tex_lines = [], []
    for dataset, own in table.groupby("dataset"):
        cells = [
            [human(row["system"]), row["setting"]]
            + [form.format(row[name]) for name, (_, form) in columns.items()]
            for _, row in own.iterrows()
        ]
        lines += [f"### {dataset}", "", *markdown(titles, cells), ""]
        tex_lines += latex(titles, cells)
    with atomic(csv) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n", float_format="%.6g")
    legend = LEGEND2.format(batch=times["batch"].max(), threads=times["threads"].max())
    write_lines([*lines, legend], md)
    write_lines(tex_lines, tex)
