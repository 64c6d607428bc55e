"""What the real run of the ci preset left of the ablation: figures 3 and 7, and their trainings."""

from itertools import combinations
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from conftest import DEV, TEST, N
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import STEPS
from jointir.measure.results import read_results
from test_pipeline import DATA, MS, quantizer

SYSTEMS = Path(DATA) / "systems"


@pytest.fixture(scope="module")
def folder(pipeline) -> Path:
    return pipeline.folder


def parts(folder: Path, system: str, size: str) -> tuple[bool, bool]:
    """Return whether a training left the centroids of OPQ, and the weights of STAR's encoder."""
    centroids, start = (
        quantizer(folder / SYSTEMS / path / "index.faiss")[1]
        for path in (f"{system}/{size}", "opq/M16")
    )
    trained, star = (
        load_file(folder / path / "model.safetensors")
        for path in (SYSTEMS / system / size / "query_encoder", Path(DATA) / "star/model")
    )
    same = all(np.array_equal(trained[name], weights) for name, weights in star.items())
    return np.array_equal(centroids, start), same


@pytest.mark.parametrize(
    ("system", "size", "kept"),
    [
        ("jpq-neg", "M16-seed1", (True, False)),
        ("jpq-loss", "M16-seed1", (True, False)),
        ("jpq-labelled", "M16-seed1", (False, False)),
        ("jpq", "M16", (False, False)),
    ],
)
def test_each_variant_trains_what_it_says(folder, system, size, kept):
    assert parts(folder, system, size) == kept


def test_each_loss_trains_another_encoder(folder):
    trained = (
        load_file(folder / SYSTEMS / s / "query_encoder/model.safetensors")
        for s in ("jpq-neg/M16-seed1", "jpq-loss/M16-seed1", "jpq-labelled/M16-seed1", "jpq/M16")
    )
    for a, b in combinations(trained, 2):
        assert any(not np.array_equal(a[name], b[name]) for name in a)


def test_the_tables_have_every_step(folder):
    files = [folder / f"reports/tables/{name}.csv" for name in ("results", "results-ablation")]
    read_results(files)  # which refuses a run that stands in both
    added = read_results(files[1:])
    variants = {(s, "M=16") for s in ("jpq-neg", "jpq-loss", "jpq-labelled")}
    assert {(r.system, r.setting) for r in added.itertuples()} == variants
    assert len(added) == 2 * 3 * len(variants)  # splits, measures
    text = (folder / "reports/tables/ablation.md").read_text()
    assert "| 16 | + JPQ negatives (1) |" in text and "| 16 | + train PQ (1) |" in text
    assert "| 32 | OPQ (1) |" in text and "| 32 | JPQ here (1) |" in text


def test_each_step_is_compared_with_the_one_before(folder):
    table = read_comparisons(folder / "reports/tables/comparisons-ablation.csv", STEPS)
    table = table[table["measure"].eq("MRR@10")]
    pairs = {"M=16": 5, "M=32": 1}  # of all five steps, and of JPQ and OPQ alone
    assert table.groupby("setting").size().to_dict() == pairs
    files = [folder / f"reports/tables/{name}.csv" for name in ("results", "results-ablation")]
    values = read_results(files)
    values = values[values["measure"].eq("MRR@10") & values["split"].eq("test")]
    values = values.set_index(["system", "setting"])["value"]
    for row in table.itertuples():
        before = values[row.reference, row.reference_setting]
        assert row.difference == pytest.approx(values[row.system, row.setting] - before, abs=1e-5)
        assert 0 < row.p <= row.p_holm <= 1


def test_more_bytes_share_more_negatives_with_brute_force(folder):
    shares = pd.read_csv(folder / DATA / "negatives.csv").set_index("M")
    assert list(shares.index) == MS
    assert set(shares["negatives"]) == {50} and set(shares["queries"]) == {N - DEV - TEST}
    assert 0.1 < shares["overlap"][16] < shares["overlap"][32] < 0.95


@pytest.mark.parametrize("number", [3, 7])
def test_the_figures_are_drawn(folder, number):
    assert matplotlib.image.imread(folder / f"reports/figure{number}.png").std() > 0.05
    assert (folder / f"reports/figure{number}.pdf").read_bytes()[:5] == b"%PDF-"
