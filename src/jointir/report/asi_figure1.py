"""Generative retrieval by bytes, beside others: as figure 1 of JPQ (Zhan et al. 2021).

Its panels tell the bytes apart: what is kept of the documents beside the model, and all bytes that
answer a query. A generative model holds its documents in its weights, so that the first alone would
flatter it.
"""

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jointir.basics.errors import InputError
from jointir.measure.asi_results import CORRECT
from jointir.report.asi_paper import DENSE, GENERATIVE, SPARSE
from jointir.report.asi_tables import HYBRID, Measured, read_asi
from jointir.report.known import report
from jointir.report.styles import RC, in_order, label, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESCORED = "generated, then ranked by the encoder"
COLOURS = {SPARSE: "#009E73", DENSE: "#222222", GENERATIVE: "#0072B2", RESCORED: "#D55E00"}
MARKERS = "os^DvPX<>ph*8dH1234+x"
PANELS = ("R@10", "MRR@10")
AXES = ("index without the model, MB (log scale)", "model and index, MB (log scale)")


class Point(NamedTuple):
    """A system as one of its settings: its group, the bytes beside its model, and with it."""

    system: str
    setting: str
    group: str
    index: float
    whole: float


def points(measured: Measured, systems: list[str], sparse: list[str]) -> list[Point]:
    """Return what is drawn: of a generative system its first decoding, and the hybrid.

    systems: those with identifiers. sparse: those of the others that compare words.
    """
    found = []
    for system in in_order([*measured.rankers(), *systems]):
        settings = [s for s in measured.settings(system) if not s.endswith(CORRECT)]
        settings.sort(key=lambda s: s == HYBRID)  # the hybrid last
        for setting in [s for s in settings if s in (settings[0], HYBRID)]:
            group = RESCORED if setting == HYBRID else GENERATIVE
            if not measured.writes(system):
                group = SPARSE if system in sparse else DENSE
            index = measured.index_bytes(system, setting) / 1e6
            model = measured.number(system, "model bytes", setting)
            whole = index + (0 if model.empty else model.mean() / 1e6)
            found.append(Point(system, setting, group, index, whole))
    return found


def draw(ax: "Axes", measured: Measured, drawn: list[Point], measure: str, whole: bool) -> None:
    """Draw one panel: the mean over seeds, with the means of the ends of their intervals."""
    from matplotlib.ticker import LogLocator

    markers = _markers(drawn)
    for point in drawn:
        rows = measured.rows[measured.rows["system"].eq(point.system)]
        rows = rows[rows["setting"].eq(point.setting) & rows["measure"].eq(measure)]
        value, low, high = (rows[name].mean() for name in ("value", "low", "high"))
        error = [[max(0.0, value - low)], [max(0.0, high - value)]]  # rounding
        look = {"marker": markers[point.system], "color": COLOURS[point.group], "ms": 5.5}
        look |= {"mfc": "white", "mew": 1.1, "elinewidth": 0.5, "ls": ""}
        ax.errorbar(point.whole if whole else point.index, value, error, **look)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.minorticks_off()
    ax.set_ylabel(measure)


def _markers(drawn: list[Point]) -> dict[str, str]:
    return dict(zip(dict.fromkeys(point.system for point in drawn), cycle(MARKERS), strict=False))


def render(measured: Measured, drawn: list[Point]) -> "Figure":
    """Return the figure: a line of panels for each of PANELS, a column for each of AXES."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    markers = _markers(drawn)
    lines = -(-len(markers) // 3)
    fig = Figure(figsize=(7.0, 5.4 + 0.2 * lines))
    grid = fig.subplots(len(PANELS), len(AXES), sharey="row", sharex="col", squeeze=False)
    for axes, measure in zip(grid, PANELS, strict=True):
        for number, ax in enumerate(axes):
            draw(ax, measured, drawn, measure, whole=bool(number))
    for ax, xlabel in zip(grid[-1], AXES, strict=True):
        ax.set_xlabel(xlabel)
    groups = [g for g in COLOURS if g in {point.group for point in drawn}]
    handles = [Line2D([], [], color=COLOURS[g], lw=3, label=g) for g in groups]
    fig.legend(handles=handles, loc="outside upper center", ncols=len(groups))
    of_one = {point.system: point.group for point in reversed(drawn)}  # that of its first setting
    handles = [
        Line2D([], [], ls="", marker=m, mfc="white", color=COLOURS[of_one[s]], label=label(s))
        for s, m in markers.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


@report(
    stage="asi_report",
    figure="asi",
    category="Generative retrieval",
    reads={
        "results": "results of ASI",
        "numbers": "numbers of ASI",
        "system": "systems of ASI",
        "sparse": "sparse systems of ASI",
    },
)
def asi_figure1(
    results: Path, numbers: Path, out: Path, png: Path, system: list[str], sparse: list[str]
) -> None:
    """Draw effectiveness by bytes as a PDF (`out`) and a PNG; the same tables, the same bytes.

    results, numbers: files of `asi-results`. system: the systems with identifiers that are drawn.
    sparse: those of the others that compare words; the rest are dense, or write n-grams.

    Raises:
        InputError: a system is not in the results, or what `read_asi` refuses.
    """
    import matplotlib

    measured = read_asi(results, numbers)
    if lacking := set(system) - set(measured.rows["system"]):
        found = f"{min(lacking)} has no test rows"
        raise InputError(results, found, "Measure it, or do not name it with --system")
    with matplotlib.rc_context(fname=RC):
        save(render(measured, points(measured, system, sparse)), out, png)
