"""Tables of the systems of figure 4: sizes, the numbers behind it, and metrics for DVC."""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, write_json
from jointir.basics.readers import of_types, read_csv
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import FIGURE4
from jointir.measure.groups import ALL, read_groups
from jointir.measure.pays import PAYS, WORSE, Verdict, verdicts
from jointir.measure.results import RUN, measures_of, read_meta, read_results
from jointir.report.formats import Page, mark, read_text, write_lines
from jointir.report.known import report
from jointir.report.styles import label, ranked

COMPARED = ["dataset", "measure", "system", "setting", "seeds"]  # what a comparison is of
PARTS = ["codes", "codebooks", "rotation", "ids", "other"]
LEGEND = (
    "Brackets: 95% bootstrap interval over queries. Two-tailed paired t-test against JPQ at the "
    "same bytes a document, Holm-corrected within a dataset and measure: JPQ significantly better "
    "(\\*\\* p < 0.01, \\* p < 0.05) or worse († p < 0.05). Compression counts codes and "
    "codebooks. Pays: JPQ against the OPQ that it starts from, at the same bytes a document, over "
    "all queries (see below). Queries of the test split; dev was used for tuning."
)


def size_row(meta: dict) -> dict:
    """Return one row of sizes.csv, in bytes; compression is 4 N D / (codes + codebooks).

    As Zhan et al. count, JPQ (CIKM 2021): float32 vectors over codes and centroids.
    """
    parts = {part: int(meta["bytes"].get(part, 0)) for part in PARTS}
    counted = parts["codes"] + parts["codebooks"]
    ratio = f"{4 * meta['n_docs'] * meta['dim'] / counted:.2f}" if counted else ""
    about = {key: meta[key] for key in ("dataset", "system", "setting", "bytes_per_doc", "seed")}
    total = sum(parts.values())
    del parts["other"]  # in the total only
    return about | parts | {"total": total, "compression": ratio}


@report(stage="report", figure="figure4", writes={"out": "reports/tables/sizes.csv"})
def sizes(meta: list[Path], out: Path) -> None:
    """Write sizes.csv: the bytes of every index by part, and how much it compresses.

    Columns: dataset, system, setting, bytes_per_doc, codes, codebooks, rotation, ids, total,
    compression. A setting with several seeds has one row, that of its first seed.

    Raises:
        InputError: a meta file lacks a key.
    """
    if not meta:
        raise InputError("sizes", "no meta files", "Give at least one --meta")
    rows = pd.DataFrame([size_row(read_meta(path)) for path in meta])
    rows = rows.sort_values(["dataset", "system", "bytes_per_doc", "setting", "seed"])
    rows = rows.drop_duplicates(["dataset", "system", "setting"]).drop(columns="seed")
    with atomic(out) as scratch:
        rows.to_csv(scratch, index=False, lineterminator="\n")


def read_sizes(path: Path) -> dict[tuple[str, str, str], str]:
    """Return the compression of each (dataset, system, setting), as written."""
    frame = read_csv(
        path, ["dataset", "system", "setting", "compression"], dtype=str, keep_default_na=False
    )
    told = frame.loc[frame["compression"].ne(""), ["compression"]]
    of_types(path, told.apply(pd.to_numeric, errors="coerce"), compression="numbers")
    keys = frame[["dataset", "system", "setting"]].itertuples(index=False, name=None)
    return dict(zip(keys, frame["compression"], strict=True))


def marks(rows: pd.DataFrame, comparisons: Path) -> pd.Series:
    """Return the significance mark of each row of the test split against JPQ of as many bytes.

    Raises:
        InputError: comparisons.csv is damaged.
    """
    told = read_comparisons(comparisons, FIGURE4)
    pairs = told[["difference", "p_holm"]].itertuples(index=False, name=None)
    signs = dict(zip(told[COMPARED].itertuples(index=False, name=None), pairs, strict=True))
    keys = rows.assign(seeds=rows["seed"].astype(str))[COMPARED].itertuples(index=False, name=None)
    found = [mark(*signs[key]) if key in signs else "" for key in keys]
    return pd.Series(found, index=rows.index, dtype=str)


def final_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return results of the test split, a seed added to the setting where a setting has several.

    Raises:
        InputError: there is no test split.
    """
    rows = rows[rows["split"].eq("test")].reset_index(drop=True)
    if rows.empty:
        raise InputError("results", "no row of the test split", "Measure the test split first")
    seeds = rows.groupby(["dataset", "system", "setting"])["seed"].transform("nunique")
    seed = " seed " + rows["seed"].astype(str)
    rows["label"] = (rows["setting"] + seed.where(seeds.gt(1), "")).str.strip()
    return rows


def _cells(
    run: pd.DataFrame, measures: list[str], brute: float | None, compression: str, pays: str
) -> list[str]:
    first = run.iloc[0]
    cells = {row.measure: f"{row.value:.3f}{row.mark}" for row in run.itertuples()}
    main = run[run["measure"].eq(measures[0])]
    if len(main):
        row = main.iloc[0]
        cells[measures[0]] = f"{row['value']:.3f} [{row.low:.3f}, {row.high:.3f}]{row.mark}"
    share = f"{row['value'] / brute:.1%}" if len(main) and brute else ""
    ratio = f"{float(compression):.1f}\u00d7" if compression else ""
    scores = [cells.get(measure, "") for measure in measures]
    about = [label(first.system), first.label, f"{first.bytes_per_doc:g}"]
    return [*about, *scores, share, ratio, pays]


def verdict_text(found: Verdict) -> str:
    """Return a verdict as a cell of a table."""
    word = "yes" if found.word == PAYS else found.word
    return f"{word} ({', '.join(found.worse)})" if found.word == WORSE else word


def pays_on_test(groups: pd.DataFrame, systems: list[str]) -> dict[tuple[str, str, float], str]:
    """Return whether systems pay on test, by (dataset, system, bytes a document), over all queries.

    groups: the rows of groups.csv of all queries of test.
    """
    return {
        (str(dataset), system, size): verdict_text(found)
        for dataset, own in groups.groupby("dataset")
        for system in systems
        for size, found in verdicts(own, system).items()
    }


def page(
    rows: pd.DataFrame,
    compressions: dict[tuple[str, str, str], str],
    pays: dict[tuple[str, str, float], str],
    queries: int,
) -> Page:
    """Return the table of one dataset's test rows: those of `final_rows`, with their `mark`.

    compressions: of `read_sizes`. pays: of `pays_on_test`. queries: how many test has.
    """
    measures = measures_of(rows)
    rows = rows.sort_values(
        ["system", "bytes_per_doc", "setting", "seed"],
        key=lambda column: ranked(column) if column.name == "system" else column,
    )
    exact = rows[rows["system"].eq("brute-force") & rows["measure"].eq(measures[0])]
    brute = float(exact["value"].iloc[0]) if len(exact) else None
    titles = ["system", "setting", "bytes a document", *measures]
    titles += [f"of brute force's {measures[0]}", "compression", "pays"]
    lines = []
    for (dataset, _, system, setting, _, size), run in rows.groupby(RUN, sort=False):
        compression = compressions.get((dataset, system, setting), "")
        told = pays.get((dataset, system, size), "")
        lines.append(_cells(run, measures, brute, compression, told))
    return Page(f"### {rows['dataset'].iloc[0]}, test ({queries:,} queries)", titles, lines)


@report(
    stage="report",
    figure="figure4",
    reads={"system": "systems like JPQ"},
    writes={"out": "reports/tables/figure4.md"},
)
def figure4_table(
    results: list[Path],
    comparisons: Path,
    sizes: Path,
    groups: Path,
    pays: Path,
    out: Path,
    system: list[str] | None = None,
) -> None:
    """Write figure 4's numbers, and what it leaves out, as a Markdown table for each dataset.

    comparisons: those with JPQ of as many bytes. groups: groups.csv, by which a column says of each
    `system` whether it pays. pays: the text of the `pays` stage, which ends the file.

    Raises:
        InputError: results have other columns, or no test split; another table is damaged, or lacks
            a dataset; or there is no such text.
    """
    compressions, rows = read_sizes(sizes), final_rows(read_results(results))
    rows = rows.assign(mark=marks(rows, comparisons))
    judged = read_groups(groups)
    judged = judged[judged["split"].eq("test") & judged["grouping"].eq(ALL)]
    told, queries = pays_on_test(judged, system or []), judged.groupby("dataset")["n_queries"].max()
    if lacking := sorted(set(rows["dataset"]) - set(queries.index)):
        raise InputError(groups, f"has no row of {lacking[0]}", "Run the stage `groups` anew")
    pages = [page(own, compressions, told, queries[d]) for d, own in rows.groupby("dataset")]
    notes = [LEGEND, read_text(pays).rstrip()]
    write_lines([*(line for one in pages for line in one.lines()), "\n\n".join(notes)], out)


@report(stage="report", figure="figure4", writes={"out": "reports/metrics/effectiveness.json"})
def metrics(results: list[Path], out: Path) -> None:
    """Write {dataset: {system: {setting: {measure: value}}}} of the test split for `dvc metrics`.

    Raises:
        InputError: results have other columns, or no test split.
    """
    nested: dict = {}
    for row in final_rows(read_results(results)).itertuples():
        settings = nested.setdefault(row.dataset, {}).setdefault(row.system, {})
        settings.setdefault(row.label or "default", {})[row.measure] = round(row.value, 4)
    write_json(out, nested)
