"""Tables 1 and 2 of JPQ on our data: effectiveness and size, and latency, of every system.

Source: Zhan et al., JPQ (CIKM 2021), tables 1 and 2.
"""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.measure.families import TABLE1
from jointir.measure.results import shown
from jointir.measure.speed import RUN, read_latency, searches
from jointir.report.beside_jpq import Numbers, numbers, runs_of
from jointir.report.formats import Page, write_table
from jointir.report.known import report
from jointir.report.styles import label

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


TIMES = {  # of table 2: the title of a column, and how its numbers are written
    "encode_median_ms": ("encode ms", "{:.2f}"),
    "encode_gpu_median_ms": ("encode ms, GPU", "{:.2f}"),
    "search_median_ms": ("search ms", "{:.3f}"),
    "search_p95_ms": ("p95", "{:.3f}"),
    "speed_up": ("speed-up", "{:.1f}\u00d7"),
    "qps_batch": ("queries/s, batch", "{:,.0f}"),
    "qps_batch_all": ("all threads", "{:,.0f}"),
    "peak_mb": ("memory MB", "{:,.0f}"),
}


def page1(table: Numbers) -> Page:
    """Return one dataset's part of table 1; its rows have the column qps."""
    cells = []
    for _, row in table.rows.iterrows():
        about = [label(row["system"]), row["setting"], f"{row['index_bytes'] / 1e6:.2f}"]
        values = [f"{row[m]:.3f}{table.sign(row, m)}" for m in table.measures]
        cells.append([*about, *values, f"{row['qps']:,.0f}"])
    titles = ["system", "setting", "index MB", *table.measures, "queries/s"]
    return Page(f"### {table.dataset}, test", titles, cells)


def timed(rows: pd.DataFrame, times: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return `times`, of searching one query at a time, by RUN.

    Raises:
        InputError: one of `rows` was not timed; path: where it should be.
    """
    one = searches(times).set_index(RUN)
    for run in rows[RUN].itertuples(index=False, name=None):
        if run not in one.index:
            found = f"{run[1]} {run[2]} of {run[0]} was not timed"
            raise InputError(path, found, "Rerun the latency stage")
    return one


@report(stage="speed", figure="figure5")
def table1(
    results: list[Path],
    meta: list[Path],
    comparisons: Path,
    latency: Path,
    M: int,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write table 1 as CSV, Markdown and LaTeX: every system beside JPQ with M sub-quantizers.

    results: tables of the `results` stage. meta: JSON files of the runs of figure 5. comparisons:
    those of table 1, which say what settings it shows.

    Raises:
        InputError: a system was not timed, JPQ was not run with M, or a table lacks a run.
    """
    times, tables = read_latency(latency), numbers(results, meta, comparisons, TABLE1, M)
    size = shown(results, meta).drop_duplicates(RUN).set_index(RUN)["bytes_per_doc"]
    for table in tables:
        runs = list(table.rows[RUN].itertuples(index=False, name=None))
        qps = timed(table.rows, times, latency)["qps"]
        table.rows.insert(4, "bytes_per_doc", [size[run] for run in runs])
        table.rows.insert(5, "qps", [qps[run] for run in runs])
    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    write_table(rows, [page1(table) for table in tables], LEGEND1, csv, md, tex)


def rows_of_table2(table: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """Return the times of the settings in `table` (RUN), a system a row."""
    batch, threads = latency["batch"].max(), latency["threads"].max()
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


def page2(rows: pd.DataFrame, dataset: str) -> Page:
    """Return one dataset's part of table 2."""
    columns = {name: told for name, told in TIMES.items() if name in rows}
    titles = ["system", "setting", *(title for title, _ in columns.values())]
    cells = [
        [label(row["system"]), row["setting"]]
        + [form.format(row[name]) for name, (_, form) in columns.items()]
        for _, row in rows.iterrows()
    ]
    return Page(f"### {dataset}", titles, cells)


@report(stage="speed", figure="figure5")
def table2(comparisons: Path, latency: Path, M: int, csv: Path, md: Path, tex: Path) -> None:
    """Write table 2, latency, as CSV, Markdown and LaTeX, for the settings of table 1.

    Raises:
        InputError: a system was not timed, or a table is damaged.
    """
    times = read_latency(latency)
    runs = runs_of(comparisons, TABLE1, M, times["dataset"])
    timed(runs, times, latency)
    rows = rows_of_table2(runs, times)
    pages = [page2(own, str(dataset)) for dataset, own in rows.groupby("dataset")]
    legend = LEGEND2.format(batch=times["batch"].max(), threads=times["threads"].max())
    write_table(rows, pages, legend, csv, md, tex)
