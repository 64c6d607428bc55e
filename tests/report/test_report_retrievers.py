"""Figure 1 and tables 3 and 5 from files that are written here."""

import json

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure.comparisons import comparisons
from jointir.measure.results import results
from jointir.measure.significance import holm, paired_p
from jointir.report.figure1 import figure1, render, sized
from jointir.report.retriever_tables import table3, table5
from jointir.report.styles import RC

Q = 40
SYSTEMS = {  # mean of RR@10 is about the first, index bytes the second
    ("jpq", "M=16"): (0.5, 1_000_000),
    ("jpq", "M=32"): (0.6, 2_000_000),
    ("opq", "M=16"): (0.4, 1_000_000),
    ("bm25", "k1=1.2 b=0.5"): (0.3, 4_500_000),
    ("brute-force", ""): (0.62, 46_000_000),
    ("ance", ""): (0.9, 46_000_000),
    ("colbert", ""): (0.61, 400_000_000),
    ("a-new", ""): (0.2, 9_000_000),  # which no list of ours names
}


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    found = {"per_query": [], "meta": []}
    noise = rng.normal(0, 0.05, Q)
    for (system, setting), (mean, size) in SYSTEMS.items():
        folder = tmp_path / system / (setting or "flat")
        folder.mkdir(parents=True)
        about = {"dataset": "d", "system": system, "setting": setting, "seed": 1}
        about |= {"bytes_per_doc": size // 1000, "n_docs": 1000, "dim": 384}
        about |= {"bytes": {"codes": size - 10, "other": 10}}
        (folder / "meta.json").write_text(json.dumps(about))
        rows = []
        for measure, shift in (("RR@10", 0), ("R@100", 0.05), ("nDCG@10", -0.05)):
            values = np.clip(mean + shift + noise + rng.normal(0, 0.02, Q), 0, 1)
            rows += [(f"q{i}", measure, v) for i, v in enumerate(values)]
        frame = pd.DataFrame(rows, columns=["query_id", "measure", "value"])
        frame.to_parquet(folder / "test.parquet")
        found["per_query"].append(folder / "test.parquet")
        found["meta"].append(folder / "meta.json")
    return found


def values(path, measure):
    frame = pd.read_parquet(path)
    return frame[frame["measure"].eq(measure)].sort_values("query_id")["value"].to_numpy()


def of(files, system, setting="flat"):
    return next(p for p in files["per_query"] if p.parent.parts[-2:] == (system, setting))


def write(table, files, folder, M=16):
    results(**files, out=folder / "r.csv", samples=50, seed=1)
    comparisons(["table3", "table5"], **files, out=folder / "c.csv", M=16)
    told = [[folder / "r.csv"], files["meta"], folder / "c.csv"]
    out = {name: folder / f"t.{name}" for name in ("csv", "md", "tex")}
    table(*told, M=M, **out)
    return pd.read_csv(out["csv"], keep_default_na=False), *(
        out[name].read_text() for name in ("md", "tex")
    )


def test_table3_has_jpq_and_bm25_with_their_sizes(files, tmp_path):
    frame, md, tex = write(table3, files, tmp_path)
    assert frame["system"].tolist() == ["jpq", "bm25"]
    assert frame["index_bytes"].tolist() == [1_000_000, 4_500_000]
    jpq = values(of(files, "jpq", "M=16"), "RR@10")
    bm25 = values(of(files, "bm25", "k1=1.2 b=0.5"), "RR@10")
    assert frame["MRR@10"].to_list() == pytest.approx([jpq.mean(), bm25.mean()], rel=1e-5)
    p = frame["p_holm MRR@10"].astype(str).tolist()
    assert p[0] == "" and float(p[1]) == pytest.approx(paired_p(bm25, jpq), rel=1e-4)
    assert f"| BM25 | k1=1.2 b=0.5 | 4.50 | {bm25.mean():.3f}\\*\\* |" in md
    assert f"| JPQ | M=16 | 1.00 | {jpq.mean():.3f} |" in md
    assert rf"BM25 & k1=1.2 b=0.5 & 4.50 & {bm25.mean():.3f}** &" in tex


def test_table5_is_relative_to_jpq(files, tmp_path):
    frame, md, _ = write(table5, files, tmp_path)
    assert frame["system"].tolist() == ["jpq", "ance", "brute-force", "colbert", "a-new"]
    jpq, ance = values(of(files, "jpq", "M=16"), "RR@10"), values(of(files, "ance"), "RR@10")
    change = ance.mean() / jpq.mean() - 1
    assert f"| ANCE |  | 46.0\u00d7 | {change:+.1%}† |" in md
    assert f"| JPQ | M=16 | 1.00 | {jpq.mean():.3f} |" in md
    assert (
        "| brute force (STAR) |  | 46.0\u00d7 | +" in md and "| ColBERT |  | 400.0\u00d7 | +" in md
    )
    names = ["ance", "brute-force", "colbert", "a-new"]
    raw = [paired_p(values(of(files, n), "RR@10"), jpq) for n in names]
    assert frame["p_holm MRR@10"].iloc[1:].astype(float).tolist() == pytest.approx(
        holm(np.array(raw)).tolist(), rel=1e-4
    )


def test_an_m_that_was_not_run_is_refused(files, tmp_path):
    with pytest.raises(InputError, match=r"table1\.M: jpq M=96 of d was not run"):
        write(table5, files, tmp_path, M=96)
    assert not list(tmp_path.glob("t.*"))


def test_figure1_shows_each_system_at_its_size(files, tmp_path):
    results(**files, out=tmp_path / "r.csv", samples=50, seed=1)
    rows = sized([tmp_path / "r.csv"], files["meta"])
    assert set(zip(rows["system"], rows["setting"], strict=True)) == set(SYSTEMS)
    for row in rows.itertuples():
        assert row.mb == SYSTEMS[row.system, row.setting][1] / 1e6
    ax = render(rows).axes[0]
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_allclose(lines["JPQ"].get_xdata(), [1, 2])
    points = {c.get_label(): c[0].get_xydata()[0] for c in ax.containers}
    assert set(points) == {"brute force (STAR)", "ANCE", "ColBERT", "BM25", "a-new"}
    assert points["ColBERT"] == pytest.approx([400, values(of(files, "colbert"), "RR@10").mean()])
    figure1([tmp_path / "r.csv"], files["meta"], tmp_path / "f.pdf", tmp_path / "f.png")
    assert matplotlib.image.imread(tmp_path / "f.png").std() > 0.05
    fewer = sized([tmp_path / "r.csv"], files["meta"][1:])
    assert len(fewer) == len(rows) - 3 and "M=16" not in set(
        fewer[fewer["system"].eq("jpq")]["setting"]
    )
    results(
        **{name: paths[1:] for name, paths in files.items()},
        out=tmp_path / "s.csv",
        samples=50,
        seed=1,
    )
    with pytest.raises(InputError, match=r"jpq M=16 seed 1 of d is in none of the results"):
        sized([tmp_path / "s.csv"], files["meta"])


def test_the_legend_of_figure1_is_within_the_figure(files, tmp_path):
    results(**files, out=tmp_path / "r.csv", samples=50, seed=1)
    with matplotlib.rc_context(fname=RC):
        figure = render(sized([tmp_path / "r.csv"], files["meta"]))
        figure.canvas.draw()
    box, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert (box.x0 >= whole.x0 and box.x1 <= whole.x1) and box.y1 <= whole.y1
