"""Figure 7: JPQ's ablation, its three strategies added to OPQ one after the other.

Source: Zhan et al., JPQ (CIKM 2021), section 5.3.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import FIGURE7, STEPS
from jointir.measure.results import measures_of, shown
from jointir.report.formats import markdown, write_lines
from jointir.report.known import report
from jointir.report.styles import RC, in_order, label, panel_figure, save
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN = {
    "opq": ("OPQ", {"color": "#E69F00", "marker": "s", "linestyle": (0, (5, 2))}),
    "jpq-neg": ("+ JPQ negatives", {"color": "#009E73", "marker": "^", "linestyle": (0, (1, 1))}),
    "jpq-loss": ("+ JPQ loss", {"color": "#56B4E9", "marker": "D", "linestyle": (0, (4, 1, 1, 1))}),
    "jpq-labelled": ("+ train PQ", {"color": "#CC79A7", "marker": "v", "linestyle": (0, (3, 1))}),
    "jpq": ("JPQ here", {"color": "#0072B2", "marker": "o", "linestyle": "-"}),
}
ROW_HEIGHT, LEGEND_HEIGHT = 2.6, 0.35  # inches
NOTE = (
    "Test queries, means over seeds (their number in brackets). The first four rows of each size "
    "add one strategy after the other with the paper's loss (JPQ, section 5.3). The fifth is JPQ "
    "as it is here. The others change one thing of it. p: "
    "two-tailed paired t-test of the first seed against JPQ's, Holm-corrected within a measure."
)
COMPARED = (
    "Each strategy against the one before it, and JPQ against OPQ: means over seeds (their number "
    "in brackets), their difference, and the p value of a two-tailed paired t-test over test "
    "queries, as it is and Holm-corrected within a measure (\\* p < 0.05, \\*\\* p < 0.01)."
)


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel: a line through the means over seeds, a dot for each seed.

    Bands are the mean over seeds of the 95% bootstrap intervals over queries.
    """
    for row in rows[rows["system"].eq("brute-force")].itertuples():
        ax.axhline(row.value, label=label(row.system), color="#222222", lw=0.8, ls=(0, (6, 3)))
    for system, (name, style) in DRAWN.items():
        own = rows[rows["system"].eq(system)]
        mean = own.groupby("bytes_per_doc")[["value", "low", "high"]].mean()
        ax.fill_between(
            mean.index, mean["low"], mean["high"], color=style["color"], alpha=0.1, lw=0
        )
        ax.plot(mean.index, mean["value"], label=name, ms=4, **style)
        ax.plot(own["bytes_per_doc"], own["value"], ".", color=style["color"], ms=3)
    ticks = sorted(rows.loc[rows["system"].eq("jpq"), "bytes_per_doc"].unique())
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the test rows of the ablation."""
    xlabel = "bytes per document (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=len(names))
    return fig


def _name(system: str) -> str:
    return DRAWN[system][0] if system in DRAWN else label(system)


def table_lines(rows: pd.DataFrame, against_jpq: pd.DataFrame) -> list[str]:
    """Return a Markdown table of one dataset's rows: a line for each size and system.

    against_jpq: its comparisons with JPQ of as many bytes.
    """
    measures = measures_of(rows)
    titles = ["bytes a document", "training", *(t for m in measures for t in (m, "p"))]
    p = against_jpq.set_index(["measure", "system", "setting", "seeds"])["p_holm"]
    others = [s for s in in_order(rows["system"]) if s not in (*DRAWN, "brute-force")]
    lines = []
    for size, group in rows[rows["system"].ne("brute-force")].groupby("bytes_per_doc"):
        for system in [*DRAWN, *others]:
            own = group[group["system"].eq(system)].sort_values("seed")
            if own.empty:
                continue
            cells = [f"{size:g}", f"{_name(system)} ({own['seed'].nunique()})"]
            for measure in measures:
                runs = own[own["measure"].eq(measure)]
                first = p.get((measure, system, runs["setting"].iloc[0], str(runs["seed"].iloc[0])))
                cells += [f"{runs['value'].mean():.4f}", "" if first is None else f"{first:.2g}"]
            lines.append(cells)
    return markdown(titles, lines)


def step_lines(rows: pd.DataFrame, compared: pd.DataFrame) -> list[str]:
    """Return a Markdown table of one dataset's comparisons: a line for each size and two steps.

    rows: those of the dataset, whose means are told.
    """
    measures = measures_of(rows)
    titles = ["bytes a document", "step", *(t for m in measures for t in (m, "difference", "p"))]
    mean = rows.groupby(["system", "setting", "measure"])["value"].mean()
    size = rows.groupby(["system", "setting"])["bytes_per_doc"].first()
    lines = []
    pair = ["reference", "system", "setting"]
    for (before, step, setting), own in compared.groupby(pair, sort=False):
        n_seeds = len(own["seeds"].iloc[0].split())
        steps = f"{_name(before)} → {_name(step)} ({n_seeds})"
        cells = [f"{size[step, setting]:g}", steps]
        for row in own.set_index("measure").loc[measures].itertuples():
            sign = "**" if row.p_holm < 0.01 else "*" if row.p_holm < 0.05 else ""
            cells += [f"{mean[step, setting, row.Index]:.4f}", f"{row.difference:+.4f}{sign}"]
            cells.append(f"{row.p:.2g}, {row.p_holm:.2g}")
        lines.append(cells)
    return markdown(titles, lines)


@report(
    stage="ablation",
    figure="figure7",
    category="Ablation",
    writes={"table": "reports/tables/ablation.md"},
    needs=("jpq-neg", "jpq-loss", "jpq-labelled"),
)
def figure7(
    results: list[Path], meta: list[Path], comparisons: Path, out: Path, png: Path, table: Path
) -> None:
    """Draw the ablation as a PDF (`out`) and a PNG, and write its numbers as Markdown tables.

    results: tables of the `results` stage. meta: JSON files of the runs that are shown.
    comparisons: each strategy against the one before, and each run against JPQ.

    Raises:
        InputError: a table has other columns or lacks a run, or results have no test split or not
            all five steps.
    """
    import matplotlib

    rows = final_rows(shown(results, meta))
    missing = [system for system in DRAWN if system not in set(rows["system"])]
    if missing:
        raise InputError("results", f"{missing[0]!r} is not there", "Run the ablation's trainings")
    families = [read_comparisons(comparisons, family) for family in (FIGURE7, STEPS)]
    lines: list[str] = []
    for dataset, own in rows.groupby("dataset"):
        against_jpq, steps = (told[told["dataset"].eq(dataset)] for told in families)
        lines += [f"### {dataset}, test", "", *table_lines(own, against_jpq), "", NOTE, ""]
        lines += [*step_lines(own, steps), "", COMPARED, ""]
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
    write_lines(lines[:-1], table)
