"""What dev said on the way of each training, and which step was kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jointir.basics.errors import InputError
from jointir.report.known import report
from jointir.report.styles import RC, WIDTH, label, save
from jointir.train.curve import read_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, ROW_HEIGHT = 3, 2.1  # panels of a line, and inches
TICKS = 5  # at most


def read_curves(curves: list[Path], names: list[str]) -> pd.DataFrame:
    """Return the curves one below the other, with the columns dataset, system and setting.

    names: "dataset system setting" of each curve, in parallel; the setting may be missing.

    Raises:
        InputError: the lists are not equally long, or a curve has other columns.
    """
    if len(curves) != len(names):
        found = f"{len(curves)} curves, {len(names)} names"
        raise InputError("figure_training", found, "Give one --name for each --curve")
    parts = []
    for path, name in zip(curves, names, strict=True):
        dataset, system, *setting = name.split()
        own = {"dataset": dataset, "system": system, "setting": " ".join(setting)}
        parts.append(read_curve(path).assign(**own))
    return pd.concat(parts, ignore_index=True)


def panels(rows: pd.DataFrame) -> Iterator[list[tuple[str, str]]]:
    """Yield the (dataset, system) of each line of panels; a dataset begins a new one."""
    for dataset, own in rows.groupby("dataset", sort=False):
        systems = own["system"].unique().tolist()
        for at in range(0, len(systems), ACROSS):
            yield [(str(dataset), system) for system in systems[at : at + ACROSS]]


def draw(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw one panel: a line for each setting of a system, full where a step was kept.

    A cross is a step whose gain may be chance, or that loses in another measure (`Validation`): it
    is not kept however high its gain is.
    """
    import matplotlib

    ax.axhline(0, color="#888888", linewidth=0.8, zorder=1)
    settings = rows["setting"].unique()
    colours = matplotlib.colormaps["viridis"].resampled(len(settings) + 1)
    for at, setting in enumerate(settings):
        own, colour = rows[rows["setting"].eq(setting)], colours(at)
        ax.plot(own["step"], own["gain"], color=colour, label=setting or None)
        unsure = own[(own["bound"].le(0) | own["losses"].ne("")) & own["step"].gt(0)]
        sure = own.drop(unsure.index)
        ax.plot(sure["step"], sure["gain"], "o", color=colour, mfc="white")
        ax.plot(unsure["step"], unsure["gain"], "x", color=colour)
        kept = own[own["kept"].eq(1)]
        ax.plot(kept["step"], kept["gain"], "o", color=colour, zorder=3)
    steps = sorted(rows["step"].unique())
    ax.set_xticks(steps[:: -(-len(steps) // TICKS)])
    if settings.any():
        ax.legend(fontsize=6.5, handlelength=1.2, labelspacing=0.2)


def render(rows: pd.DataFrame) -> "Figure":
    """Return the figure of the rows of `read_curves`."""
    from matplotlib.figure import Figure

    lines = list(panels(rows))
    fig = Figure(figsize=(WIDTH, ROW_HEIGHT * len(lines) + 0.4))
    axes = fig.subplots(len(lines), ACROSS, squeeze=False)
    several = rows["dataset"].nunique() > 1
    for line, row in zip(lines, axes, strict=True):
        for ax, (dataset, system) in zip(row, line, strict=False):
            own = rows[rows["dataset"].eq(dataset) & rows["system"].eq(system)]
            draw(ax, own)
            name = label(system)
            ax.set_title(f"{dataset}: {name}" if several else name, loc="left")
        for ax in row[len(line) :]:
            ax.set_axis_off()
        row[0].set_ylabel(f"gain in {own['measure'].iloc[0]} on dev")
    fig.supxlabel(
        "training step (full: kept; cross: may be chance, or loses in a measure)", fontsize="medium"
    )
    return fig


@report(
    stage="report",
    category="Effectiveness and index size",
    reads={"curve": "training curves", "name": "names of training curves"},
)
def figure_training(curve: list[Path], name: list[str], out: Path, png: Path) -> None:
    """Draw what was measured on dev in each training as a PDF (`out`) and a PNG.

    curve: training.csv of each. name: "dataset system setting", in parallel. The gain is the least
    of the groups' (see `Validation`). A training that measured nothing is left out.

    Raises:
        InputError: the lists are not equally long, or a file has other columns.
    """
    import matplotlib
    from matplotlib.figure import Figure

    rows = read_curves(curve, name)
    with matplotlib.rc_context(fname=RC):
        if rows.empty:
            fig = Figure(figsize=(WIDTH, 0.6))
            fig.text(0.02, 0.5, "No training was measured on dev: validation.every is 0.")
        else:
            fig = render(rows)
        save(fig, out, png)
