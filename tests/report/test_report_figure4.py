from itertools import pairwise

import matplotlib
import numpy as np
import pytest

from jointir.basics.errors import InputError
from jointir.measure.results import COLUMNS, read_results
from jointir.report import tables
from jointir.report.figure4 import BRUTE, figure4, render
from jointir.report.styles import LABELS, RC, STYLES

PANELS = ["MRR@10", "R@100"]
SHOWN = ["jpq", "jpq-4bit", "dpq", "opq", "pq", "scann", "opq-scann", "itq-lsh", "lsh"]
SIZES = [96, 16, 24, 32]  # not sorted: the plot must do that


def synthetic(path, systems=tuple(SHOWN), datasets=("a", "b"), measures=PANELS, without=()):
    rng, lines = np.random.default_rng(0), [",".join(COLUMNS)]
    sweep = [(system, f"M={size}", size) for system in systems for size in SIZES]
    sweep += [(system, "", 1536) for system in BRUTE if system not in without]
    for dataset in datasets:
        for split in ("dev", "test"):
            for system, setting, size in sweep:
                for measure in measures:
                    value = rng.random()
                    cells = [value, value - 0.01, value + 0.02]
                    about = [dataset, split, system, setting, 0, size, measure]
                    lines.append(",".join(map(str, [*about, *cells])))
    path.write_text("\n".join(lines) + "\n")
    return path


def final_rows(path):
    return tables.final_rows(read_results([path]))


@pytest.fixture
def table(tmp_path):
    return synthetic(tmp_path / "results.csv")


@pytest.fixture
def figure(table):
    with matplotlib.rc_context(fname=RC):
        return render(final_rows(table))


def test_lines_are_the_values_of_the_table(table, figure):
    rows = final_rows(table)
    panels = [(dataset, measure) for dataset in ("a", "b") for measure in PANELS]
    for ax, (dataset, measure) in zip(figure.axes, panels, strict=True):
        here = rows[rows["dataset"].eq(dataset) & rows["measure"].eq(measure)]
        lines = {line.get_label(): line for line in ax.lines}
        assert set(lines) == {LABELS[s] for s in [*SHOWN, *BRUTE]}
        for system in SHOWN:
            run = here[here["system"].eq(system)].sort_values("bytes_per_doc")
            assert lines[LABELS[system]].get_xdata().tolist() == sorted(SIZES)
            assert lines[LABELS[system]].get_ydata().tolist() == run["value"].tolist()
        for system in ("adore", "brute-force", "brute-force-pretrained"):
            exact = here.loc[here["system"].eq(system), "value"].item()
            assert list(lines[LABELS[system]].get_ydata()) == [exact, exact]


def test_bands_are_the_intervals_of_the_table(table, figure):
    rows = final_rows(table)
    rows = rows[rows["dataset"].eq("a") & rows["measure"].eq(PANELS[0])]
    for band, system in zip(figure.axes[0].collections, SHOWN, strict=True):
        run = rows[rows["system"].eq(system)]
        y = band.get_paths()[0].vertices[:, 1]
        assert set(y) == set(run["low"]) | set(run["high"])


def test_axes_say_the_sweep_and_the_measure(figure):
    for ax, measure in zip(figure.axes, PANELS * 2, strict=True):
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["16", "24", "32", "96"]
        assert ax.get_xscale() == "log"
        assert ax.get_ylabel() == measure


LAYOUTS = {1: [1], 2: [2], 3: [3], 4: [2, 2], 5: [3, 2], 7: [3, 3, 1]}  # panels of each line


@pytest.mark.parametrize("count", LAYOUTS)
def test_every_measure_has_a_panel_in_the_order_of_the_table(tmp_path, count):
    measures = ["nDCG@10", "MRR(rel=2)@10", "R@100", "Judged@10", "MAP", "P@5", "ERR@20"][:count]
    rows = final_rows(synthetic(tmp_path / "r.csv", datasets=("a",), measures=measures))
    with matplotlib.rc_context(fname=RC):
        figure = render(rows)
        figure.canvas.draw()
    assert [ax.get_ylabel() for ax in figure.axes] == measures
    lines = [ax.get_subplotspec().rowspan.start for ax in figure.axes]
    assert [lines.count(line) for line in sorted(set(lines))] == LAYOUTS[count]
    assert figure.get_figwidth() == 7
    for ax, measure in zip(figure.axes, measures, strict=True):
        jpq = rows[rows["system"].eq("jpq") & rows["measure"].eq(measure)]
        line = next(line for line in ax.lines if line.get_label() == "JPQ")
        assert line.get_ydata().tolist() == jpq.sort_values("bytes_per_doc")["value"].tolist()
        boxes = [tick.get_window_extent() for tick in ax.get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_datasets_of_other_measures_have_their_own_panels(tmp_path):
    one = synthetic(tmp_path / "a.csv", datasets=("a",)).read_text()
    other = synthetic(tmp_path / "b.csv", datasets=("b",), measures=["nDCG@10", "MAP", "R@100"])
    (tmp_path / "r.csv").write_text(one + other.read_text().split("\n", 1)[1])
    with matplotlib.rc_context(fname=RC):
        axes = render(final_rows(tmp_path / "r.csv")).axes
    assert [ax.get_ylabel() for ax in axes] == [*PANELS, "nDCG@10", "MAP", "R@100"]
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "", "b", "", ""]


def test_systems_differ_in_colour_marker_and_dashes(figure):
    lines = [line for line in figure.axes[0].lines if line.get_label()[:5] != "brute"]
    exact = [line for line in figure.axes[0].lines if line.get_label()[:5] == "brute"]
    assert len({str(BRUTE[system]["linestyle"]) for system in BRUTE}) == len(exact) == 3
    assert len({line.get_color() for line in lines}) == len(SHOWN)
    assert len({line.get_marker() for line in lines}) == len(SHOWN)
    assert len({str(STYLES[system]["linestyle"]) for system in SHOWN}) == len(SHOWN)
    widths = {line.get_label(): line.get_linewidth() for line in lines}
    assert widths.pop("JPQ") > max(widths.values())


def test_one_legend_names_each_line_once(figure):
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told[: len(SHOWN)] == [LABELS[s] for s in SHOWN]
    brute = ["brute force (ADORE + STAR)", "brute force (STAR)", "brute force (untrained)"]
    assert told[len(SHOWN) :] == brute
    assert figure.get_figwidth() == 7


@pytest.mark.parametrize("shown", range(1, len(SHOWN) + 1))
@pytest.mark.parametrize("without", [(), ("adore",)])
def test_the_legend_is_within_the_figure(tmp_path, shown, without):
    table = synthetic(tmp_path / "r.csv", SHOWN[:shown], ("a",), without=without)
    with matplotlib.rc_context(fname=RC):
        figure = render(final_rows(table))
        figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == shown + 3 - len(without)
    box, whole = legend.get_window_extent(), figure.bbox
    assert (box.x0 >= whole.x0 and box.x1 <= whole.x1) and box.y1 <= whole.y1


def test_two_renders_are_the_same_bytes_with_embedded_fonts(tmp_path, table):
    outs = [(tmp_path / f"{i}.pdf", tmp_path / f"{i}.png") for i in range(2)]
    figure4([table], *outs[0], SHOWN)
    with matplotlib.rc_context({"font.size": 20, "pdf.fonttype": 3}):  # a user's own settings
        figure4([table], *outs[1], SHOWN)
    assert outs[0][0].read_bytes() == outs[1][0].read_bytes()
    assert outs[0][1].read_bytes() == outs[1][1].read_bytes()
    assert b"/CreationDate" not in outs[0][0].read_bytes()
    assert b"/CIDFontType2" in outs[0][0].read_bytes()  # TrueType, not Type 3


def test_a_table_without_the_baselines_still_draws(tmp_path):
    table = synthetic(tmp_path / "results.csv", systems=("jpq",), datasets=("a",))
    figure4([table], tmp_path / "f.pdf", tmp_path / "f.png", SHOWN)
    assert (tmp_path / "f.pdf").stat().st_size > 0


def test_a_table_without_the_figures_systems_is_refused(tmp_path):
    table = synthetic(tmp_path / "results.csv", systems=("opq-4bit",))
    with pytest.raises(InputError, match="no system that figure 4 shows"):
        figure4([table], tmp_path / "f.pdf", tmp_path / "f.png", SHOWN)


def test_a_system_without_a_style_has_a_line_of_its_own_under_its_name(tmp_path):
    mine = ["jpq", "my-jpq", "opq", "opq-small"]
    rows = final_rows(synthetic(tmp_path / "r.csv", mine, ("a",)))
    with matplotlib.rc_context(fname=RC):
        figure = render(rows)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert {"JPQ", "OPQ", "my-jpq", "opq-small"} < set(lines)
    own = rows[rows["system"].eq("my-jpq") & rows["measure"].eq(PANELS[0])]
    expected = own.sort_values("bytes_per_doc")["value"].tolist()
    assert lines["my-jpq"].get_ydata().tolist() == expected
    assert len({lines[name].get_color() for name in ("JPQ", "OPQ", "my-jpq", "opq-small")}) == 4
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[:4] == ["JPQ", "OPQ", "my-jpq", "opq-small"]


def test_it_draws_what_is_named_and_brute_force(tmp_path, table, monkeypatch):
    drawn = []
    monkeypatch.setattr("jointir.report.figure4.render", drawn.append)
    monkeypatch.setattr("jointir.report.figure4.save", lambda *_: None)
    figure4([table], tmp_path / "f.pdf", tmp_path / "f.png", ["jpq", "opq"])
    (rows,) = drawn
    assert set(rows["system"]) == {"jpq", "opq", "brute-force"}
    figure4([table], tmp_path / "f.pdf", tmp_path / "f.png", ["jpq", "brute-force-pretrained"])
    assert set(drawn[1]["system"]) == {"jpq", "brute-force", "brute-force-pretrained"}
