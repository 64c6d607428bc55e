"""Figure 7: JPQ's ablation, its three strategies added to OPQ one after the other.

Source: Zhan et al., JPQ (CIKM 2021), section 5.3.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.errors import InputError
from jointir.measure.results import measures_of
from jointir.measure.steps import read_steps
from jointir.report.formats import markdown, write_lines
from jointir.report.styles import RC, panel_figure, save
from jointir.report.tables import final_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = {
    "opq": ("OPQ", {"color": "#E69F00", "marker": "s", "linestyle": (0, (5, 2))}),
    "jpq-neg": ("+ JPQ negatives", {"color": "#009E73", "marker": "^", "linestyle": (0, (1, 1))}),
    "jpq-loss": ("+ JPQ loss", {"color": "#56B4E9", "marker": "D", "linestyle": (0, (4, 1, 1, 1))}),
    "jpq": ("+ train PQ (JPQ)", {"color": "#0072B2", "marker": "o", "linestyle": "-"}),
}
ROW_HEIGHT, LEGEND_HEIGHT = 2.6, 0.35  # inches
NOTE = (
    "Test queries, means over seeds (their number in brackets). The first four rows of each size "
    "add one strategy after the other (JPQ, section 5.3); the others train in another way. p: "
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
        ax.axhline(row.value, label="brute force", color="#222222", lw=0.8, ls=(0, (6, 3)))
    for system, (name, style) in STEPS.items():
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
    """Return the figure of the test rows of ablation.csv."""
    xlabel = "bytes per document (log scale)"
    fig = panel_figure(rows, draw, xlabel, ROW_HEIGHT, LEGEND_HEIGHT)
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=len(names))
    return fig


def table_lines(rows: pd.DataFrame) -> list[str]:
    """Return a Markdown table of one dataset's rows: a line for each size and system."""
    shown = measures_of(rows)
    titles = ["bytes a document", "training", *(t for m in shown for t in (m, "p"))]
    lines = []
    others = sorted(set(rows["system"]) - set(STEPS) - {"brute-force"})
    for size, group in rows[rows["system"].ne("brute-force")].groupby("bytes_per_doc"):
        for system in [*STEPS, *others]:
            own = group[group["system"].eq(system)]
            if own.empty:
                continue
            name = STEPS[system][0] if system in STEPS else system
            cells = [f"{size:g}", f"{name} ({own['seed'].nunique()})"]
            for measure in shown:
                runs = own[own["measure"].eq(measure)].sort_values("seed")
                p = runs["p_holm"].iloc[0]
                cells += [f"{runs['value'].mean():.4f}", "" if pd.isna(p) else f"{p:.2g}"]
            lines.append(cells)
    return markdown(titles, lines)


def step_lines(rows: pd.DataFrame) -> list[str]:
    """Return a Markdown table of one dataset's comparisons: a line for each size and two steps."""
    shown = measures_of(rows)
    titles = ["bytes a document", "step", *(t for m in shown for t in (m, "difference", "p"))]
    lines = []
    for (size, before, step), own in rows.groupby(["bytes_per_doc", "before", "step"], sort=False):
        cells = [f"{size:g}", f"{STEPS[before][0]} → {STEPS[step][0]} ({own['seeds'].iloc[0]})"]
        for row in own.set_index("measure").loc[shown].itertuples():
            sign = "**" if row.p_holm < 0.01 else "*" if row.p_holm < 0.05 else ""
            gained = row.value - row.value_before
            cells += [f"{row.value:.4f}", f"{gained:+.4f}{sign}", f"{row.p:.2g}, {row.p_holm:.2g}"]
        lines.append(cells)
    return markdown(titles, lines)


def figure7(results: Path, steps: Path, out: Path, png: Path, table: Path) -> None:
    """Draw the ablation as a PDF (`out`) and a PNG, and write its numbers as Markdown tables.

    steps: what the `steps` stage wrote, each strategy against the one before.

    Raises:
        InputError: a table has other columns, or results no test split or not all four steps.
    """
    import matplotlib

    rows = final_rows(results)
    missing = [system for system in STEPS if system not in set(rows["system"])]
    if missing:
        raise InputError(results, f"{missing[0]!r} is not there", "Run the ablation's trainings")
    compared = read_steps(steps).query("split == 'test'")
    lines: list[str] = []
    for dataset, own in rows.groupby("dataset"):
        lines += [f"### {dataset}, test", "", *table_lines(own), "", NOTE, ""]
        lines += [*step_lines(compared[compared["dataset"].eq(dataset)]), "", COMPARED, ""]
    with matplotlib.rc_context(fname=RC):
        save(render(rows), out, png)
    write_lines(lines[:-1], table)
