"""What the real run of the ci preset left of the ablation: figures 3 and 7, and their trainings."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from conftest import DEV, TEST, N
from jointir.measure.steps import read_steps
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
        ("jpq", "M16", (False, False)),
    ],
)
def test_each_variant_trains_what_it_says(folder, system, size, kept):
    assert parts(folder, system, size) == kept


def test_the_two_losses_train_different_encoders(folder):
    neg, loss = (
        load_file(folder / SYSTEMS / s / "M16-seed1/query_encoder/model.safetensors")
        for s in ("jpq-neg", "jpq-loss")
    )
    assert any(not np.array_equal(neg[name], loss[name]) for name in neg)


def test_the_table_has_every_step_and_agrees_with_figure_4s(folder):
    read = {"keep_default_na": False, "dtype": {"setting": str}}
    ablation = pd.read_csv(folder / "reports/tables/ablation.csv", **read)
    settings = {(r.system, r.setting) for r in ablation.itertuples()}
    both = {(system, f"M={M}") for system in ("opq", "jpq") for M in MS}
    variants = {(system, "M=16") for system in ("jpq-neg", "jpq-loss")}
    assert settings == both | variants | {("brute-force", "")}
    results = pd.read_csv(folder / "reports/tables/results.csv", **read)
    keys = ["split", "system", "setting", "measure"]
    shared = ablation.merge(results, on=keys, suffixes=("", " again"))
    assert len(shared) == 2 * 3 * (len(both) + 1)
    assert shared["value"].equals(shared["value again"])
    text = (folder / "reports/tables/ablation.md").read_text()
    assert "| 16 | + JPQ negatives (1) |" in text and "| 32 | + train PQ (JPQ) (1) |" in text


def test_each_step_is_compared_with_the_one_before(folder):
    table = read_steps(folder / "reports/tables/ablation_steps.csv")
    table = table[table["measure"].eq("MRR@10") & table["split"].eq("test")]
    pairs = {16: 4, 32: 1}  # of all four steps, and of JPQ and OPQ alone
    assert table.groupby("bytes_per_doc").size().to_dict() == pairs
    values = pd.read_csv(folder / "reports/tables/ablation.csv", dtype={"setting": str})
    values = values[values["measure"].eq("MRR@10") & values["split"].eq("test")]
    values = values.set_index(["system", "bytes_per_doc"])["value"]
    for row in table.itertuples():
        assert row.value == pytest.approx(values[row.step, row.bytes_per_doc], abs=1e-5)
        assert row.value_before == pytest.approx(values[row.before, row.bytes_per_doc], abs=1e-5)
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
