"""What the real run of the ci preset left of JPQ's rivals: figure 1, tables 3 and 5."""

import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from conftest import N
from jointir.data.store import document_texts, read_corpus
from jointir.data.trec import read_run
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import TABLE3, TABLE5
from jointir.measure.results import read_results
from test_pipeline import DATA


@pytest.fixture(scope="module")
def folder(pipeline) -> Path:
    return pipeline.folder


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    files = [folder / f"reports/tables/{name}.csv" for name in ("results", "results-retrievers")]
    frame = read_results(files)  # which refuses a run that stands in both
    return frame[frame["split"].eq("test") & frame["measure"].eq("MRR@10")]


def test_every_retriever_has_a_row_and_finds_most(table):
    values = table[table["system"].isin({"adore", "bm25", "colbert"})].set_index("system")["value"]
    assert set(values.index) == {"adore", "bm25", "colbert"}
    assert values.between(0.4, 0.9).all()
    assert {"jpq", "opq", "lsh", "brute-force"} <= set(table["system"])


def test_the_table_holds_what_figure_1_adds_to_figure_4(folder):
    added = read_results([folder / "reports/tables/results-retrievers.csv"])
    assert set(added["system"]) == {"bm25", "colbert"}
    assert len(added) == 2 * 2 * 3  # systems, splits, measures


def test_tables_3_and_5_show_what_is_compared(folder):
    path = folder / "reports/tables/comparisons-retrievers.csv"
    for number, family, systems in (
        (3, TABLE3, {"bm25"}),
        (5, TABLE5, {"adore", "colbert", "brute-force"}),
    ):
        shown = pd.read_csv(folder / f"reports/table{number}.csv", keep_default_na=False)
        compared = read_comparisons(path, family)
        assert set(compared["system"]) == systems and set(shown["system"]) == systems | {"jpq"}
        p = shown.set_index("system")["p_holm MRR@10"]
        for row in compared[compared["measure"].eq("MRR@10")].itertuples():
            assert float(p[row.system]) == row.p_holm


def test_adore_trains_queries_for_stars_documents(folder):
    star, trained = (
        load_file(folder / DATA / name / "model/model.safetensors") for name in ("star", "adore")
    )
    assert any(not np.array_equal(star[name], trained[name]) for name in star)
    assert not (folder / DATA / "adore/docs.npy").exists()
    runs = [folder / DATA / f"runs/{s}/flat/test.trec.gz" for s in ("adore", "brute-force")]
    adore, brute = map(read_run, runs)
    assert set(adore) == set(brute) and adore != brute


def test_a_trained_encoder_loads_elsewhere_and_embeds_as_it_did_here(folder):
    plain = SentenceTransformer(str(folder / DATA / "star/model"), device="cpu")
    texts = document_texts(read_corpus(folder / DATA / "collection"))[:20]
    ours = np.load(folder / DATA / "star/docs.npy")[:20].astype(np.float32)
    np.testing.assert_allclose(ours, plain.encode(texts), atol=2e-3)


def test_sizes_are_told(folder):
    metas = {
        name: json.loads((folder / DATA / f"runs/{name}/flat/meta.json").read_text())
        for name in ("bm25", "colbert", "adore")
    }
    assert re.fullmatch(r"k1=1\.5 b=0\.(5|75)", metas["bm25"]["setting"])
    assert metas["adore"]["bytes_per_doc"] == 4 * 384
    assert metas["colbert"]["dim"] == 64
    assert 10 < metas["colbert"]["bytes"]["codes"] / (2 * 64 * N) <= 64  # tokens a document


def test_the_tables_and_the_figure(folder):
    table3, table5 = ((folder / f"reports/table{n}.md").read_text() for n in (3, 5))
    assert "| BM25 | k1=1.5 b=0." in table3 and "| JPQ | M=16 |" in table3
    for name in ("brute force (STAR)", "brute force (ADORE + STAR)", "ColBERT"):
        assert re.search(rf"\| {re.escape(name)} \|  \| \d+\.\d\u00d7 \| [+-]\d+\.\d%", table5), (
            name
        )
    assert matplotlib.image.imread(folder / "reports/figure1.png").std() > 0.05
    assert (folder / "reports/figure1.pdf").read_bytes()[:5] == b"%PDF-"
